"""What a masked language model holds to be likely at each residue: its head over the last hidden layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.nn.functional import gelu, layer_norm, linear

from ppi.backbones.checkpoints import CHECKPOINTS, shipped_folder
from ppi.backbones.vocabulary import ESM_TOKENS
from ppi.complexes import AMINO_ACIDS
from ppi.errors import BackboneError

#: Tokens before those of residues in the vocabulary of ESM-2.
_SPECIAL_TOKENS = 4
_EPSILON = 1e-5
_HEAD_TENSORS = ("dense.weight", "dense.bias", "layer_norm.weight", "layer_norm.bias", "bias")


@dataclass(frozen=True)
class LanguageHead:
    """The head of ESM-2 for the 20 amino acids, in float32.

    Attributes
    ----------
    dense_weight, dense_bias
        ``(D, D)`` and ``(D,)``: the first layer.
    norm_weight, norm_bias
        ``(D,)`` of the normalisation.
    decoder_weight, decoder_bias
        ``(20, D)`` and ``(20,)``, in the order of `ppi.complexes.AMINO_ACIDS`.
    """

    dense_weight: Tensor
    dense_bias: Tensor
    norm_weight: Tensor
    norm_bias: Tensor
    decoder_weight: Tensor
    decoder_bias: Tensor

    @classmethod
    def read(cls, backbone: str) -> LanguageHead:
        """Read the head from the checkpoint of a backbone.

        Parameters
        ----------
        backbone
            A language model that ships, or the folder of an ESM-2.

        Raises
        ------
        BackboneError
            If the checkpoint has no such head.
        """
        ships = backbone in CHECKPOINTS and CHECKPOINTS[backbone].ships
        path = (shipped_folder(backbone) if ships else Path(backbone)) / "model.safetensors"
        try:
            with safe_open(path, framework="pt") as file:
                table = file.get_tensor("esm.embeddings.word_embeddings.weight").float()
                dense, dense_bias, norm, norm_bias, bias = (
                    file.get_tensor(f"lm_head.{name}").float() for name in _HEAD_TENSORS
                )
        except (OSError, SafetensorError) as error:
            raise BackboneError(
                f"{path}: has no head of a masked language model, from which likelihoods of residues come; "
                f"ppi-mini or the folder of an ESM-2 has one: {error}"
            ) from error
        tokens = [ESM_TOKENS.strip(".").index(residue) + _SPECIAL_TOKENS for residue in AMINO_ACIDS]
        return cls(dense, dense_bias, norm, norm_bias, table[tokens], bias[tokens])

    @classmethod
    def random(cls, width: int, seed: int) -> LanguageHead:
        """Return a head with random weights: the control of a backbone with random weights."""
        generator = torch.Generator().manual_seed(seed)
        dense = torch.randn(width, width, generator=generator) / width**0.5
        decoder = torch.randn(len(AMINO_ACIDS), width, generator=generator) / width**0.5
        zeros = torch.zeros(width)
        return cls(dense, zeros, zeros + 1, zeros, decoder, torch.zeros(len(AMINO_ACIDS)))

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> LanguageHead:
        """Take over what `tensors` gave; a KeyError names what is missing."""
        return cls(*(tensors[part.name] for part in fields(cls)))

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors by name, to be saved."""
        return {part.name: getattr(self, part.name) for part in fields(self)}

    def __call__(self, embedding: Tensor) -> Tensor:
        """Return ``(L, 20)`` log-probabilities of amino acids for ``(L, E)`` embeddings, unmasked.

        The last hidden layer is what an embedding ends with.
        """
        width = len(self.dense_bias)
        hidden = gelu(linear(embedding[:, -width:].float(), self.dense_weight, self.dense_bias))
        normed = layer_norm(hidden, (width,), self.norm_weight, self.norm_bias, _EPSILON)
        return linear(normed, self.decoder_weight, self.decoder_bias).log_softmax(dim=1)
