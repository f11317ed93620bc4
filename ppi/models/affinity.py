"""The model: one backbone and an ensemble of heads over its residue embeddings."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from huggingface_hub import PyTorchModelHubMixin
from safetensors.torch import load_file, save, save_file
from torch import Tensor, nn

from heads.base import LOG_VARIANCES, Head
from heads.names import HEADS, EncodingUnit
from heads.pairs import pools_apart, represent_sides
from heads.ragged import RaggedBatch
from ppi.backbones.registry import build_backbone
from ppi.complexes import Complex
from ppi.devices import native_dtype
from ppi.errors import ModelError
from ppi.models.config import ModelConfig
from ppi.models.files import CONFIG_FILE, WEIGHTS_FILE, check_members, hub_folder
from ppi.models.readouts.descriptors import described_sides
from ppi.models.tuning import prepare_tuning, tuned_names

#: Prefix of the names of a read-out's arrays among the weights.
_READOUT = "readout."


class Outputs(NamedTuple):
    """The predictions of a model for ``B`` complexes, one row per member: ``(M, B)`` each.

    Attributes
    ----------
    pkd
        Predicted pKd.
    noise
        Predicted standard deviation of the measurement, in pKd units; NaN for heads that do not predict it.
    partner
        ``(B,)`` score, 0 to 1, of whether the two sides are partners; NaN if the model was not trained for
        it.
    """

    pkd: Tensor
    noise: Tensor
    partner: Tensor


class AffinityModel(nn.Module, PyTorchModelHubMixin):
    """Predicts pKd from ragged residue embeddings.

    The backbone is made from its spec; only its fine-tuned weights are saved.

    Parameters
    ----------
    config
        Configuration of the model.
    seed
        Seed of the first head's random weights; head number n gets `seed` + n, whatever the number of heads.
        The adapters of a tuned backbone get `seed`. By default the weights follow torch's random state.
    trainable
        Keep the weights of a tuned backbone in float32, because small steps are lost in a lower precision.
        `finish_training` brings them to the precision of the configuration.

    Attributes
    ----------
    config
        Configuration of the model.
    backbone
        Backbone that computes the residue embeddings for `forward`.
    heads
        One head per member of the ensemble; a single head with a read-out.
    readout
        Read-out that predicts from the pooled vectors; None if the heads' own networks predict.
    """

    def __init__(self, config: ModelConfig, *, seed: int | None = None, trainable: bool = False) -> None:
        super().__init__()
        precision = "float32" if trainable and not config.tuning.frozen else config.precision
        self.backbone = build_backbone(config.backbone, layers=config.layers, precision=precision)
        if seed is not None:
            torch.manual_seed(seed)
        prepare_tuning(self.backbone, config.tuning)
        # The spec includes the commit of the hub, so that the same weights are loaded next time.
        self.config = config.model_copy(update={"backbone": self.backbone.spec})
        self._tuned: dict[str, Tensor] = {}
        self.heads = nn.ModuleList()
        self.readout = config.build_readout()
        for number in range(config.heads):
            if seed is not None:
                torch.manual_seed(seed + number)
            self.heads.append(config.build_head(self.backbone.dim))

    @property
    def encoding_unit(self) -> EncodingUnit:
        """What the backbone encodes together for these heads."""
        unit: EncodingUnit = HEADS.find(self.config.head).encoding_unit
        return unit

    @property
    def both_orders(self) -> bool:
        """Whether complexes are encoded in both orders of their sides."""
        return any(head.both_orders for head in self.heads)

    def forward(self, batch: RaggedBatch) -> Outputs:
        """Return pKd and its noise, with one row per member and one column per complex.

        Raises
        ------
        ModelError
            If a prediction is not finite.
        """
        scale = self.config.label_std
        heads = [cast(Head, head) for head in self.heads]
        outputs = torch.stack([head.all_outputs(batch) for head in heads])
        pkd = outputs[..., 0] * scale + self.config.label_mean
        _check_finite(pkd, self.config)
        unknown = torch.full_like(pkd, torch.nan)
        if not self.config.heteroscedastic:
            return Outputs(pkd, unknown, unknown[0])
        noise = (outputs[..., 1].clamp(*LOG_VARIANCES) / 2).exp() * scale
        return Outputs(pkd, noise, unknown[0])

    def predict(self, batch: RaggedBatch, complexes: Sequence[Complex]) -> Outputs:
        """Return pKd and its noise from the read-out or, without one, from the heads' networks; see
        `forward`.

        Parameters
        ----------
        batch
            Residue embeddings of the complexes.
        complexes
            ``B`` complexes as they were encoded.

        Raises
        ------
        ModelError
            If a prediction is not finite, or the read-out is not fitted.
        """
        if self.readout is None:
            return self(batch)
        vectors = self._checked(self.head.represent(batch))
        return self.predict_features(self.readout.features.of(vectors, described_sides(complexes)))

    @property
    def joins_sides(self) -> bool:
        """Whether `project_sides` of both sides is all that the prediction of a pair needs."""
        return self.readout is not None and pools_apart(self.head)

    def project_sides(self, sides: RaggedBatch) -> np.ndarray:
        """Return ``(N, C)`` float32: the projection of each side for
        `ppi.models.readouts.features.Features.join`.

        Parameters
        ----------
        sides
            Residue embeddings of sides, each given as a complex.

        Raises
        ------
        ModelError
            If a pooled vector is not finite, or `joins_sides` is False.
        """
        if self.readout is None or not self.joins_sides:
            raise ModelError(
                f"the sides of head {self.config.head!r} with this read-out cannot be computed separately"
            )
        vectors = self._checked(represent_sides(self.head, sides))
        # Both sides are set to this one, because products of one row and of two may round differently.
        return self.readout.features.project(np.stack([vectors, vectors], axis=1))[:, 0]

    def predict_features(self, features: np.ndarray) -> Outputs:
        """Return the predictions of the read-out from ``(B, F)`` features; see `predict`.

        Raises
        ------
        ModelError
            If a prediction is not finite, or there is no fitted read-out.
        """
        if self.readout is None:
            raise ModelError("the heads' own networks predict, so there is no read-out of features")
        pkd, partner = map(torch.from_numpy, self.readout.of_features(features))
        _check_finite(pkd, self.config)
        return Outputs(pkd, torch.full_like(pkd, torch.nan), partner)

    def _checked(self, vectors: Tensor) -> np.ndarray:
        """Return vectors as an array if they are finite, because trees return a number even for NaN."""
        _check_finite(vectors, self.config)
        return vectors.float().cpu().numpy()

    @property
    def head(self) -> Head:
        """The first head."""
        return cast(Head, self.heads[0])

    @property
    def swap_invariant(self) -> bool:
        """Whether exchanging ligand and receptor leaves the prediction unchanged."""
        if self.readout is not None:
            return self.head.pools_alike
        return all(cast(Head, head).swap_invariant for head in self.heads)

    def trained_state(self) -> dict[str, Tensor]:
        """Return what was trained: heads, read-out, and tuned parameters of the backbone.

        Loaded tuned weights are returned unchanged, even if the backbone computes in a lower precision; later
        changes of the backbone do not affect them.
        """
        arrays = {} if self.readout is None else self.readout.arrays()
        fitted = {_READOUT + name: torch.from_numpy(array).contiguous() for name, array in arrays.items()}
        return self._network_state() | fitted

    def load_trained_state(self, state: Mapping[str, Tensor]) -> None:
        """Load the result of `trained_state`.

        Raises
        ------
        RuntimeError
            If a name or a shape does not fit.
        ModelError
            If a weight is not finite, or the read-out is damaged or of another version.
        """
        fitted = {name: tensor for name, tensor in state.items() if name.startswith(_READOUT)}
        if self.readout is not None:
            self.head.drop_read_out()
            _check_weights(fitted)
            if self.config.partner_score and not any("partners." in name for name in fitted):
                raise ModelError("the read-out is incomplete: partner_score is on, but its trees are missing")
            self.readout.load(
                {name.removeprefix(_READOUT): tensor.numpy() for name, tensor in fitted.items()},
                sides=1 if self.encoding_unit == "complex" else 2,
                members=self.config.members,
            )
            state = {name: state[name] for name in state.keys() - fitted.keys()}
        self._load_network(state)

    def finish_training(self) -> None:
        """Convert a model that was built as `trainable` to the form in which it is loaded."""
        state = {name: tensor.cpu().clone() for name, tensor in self._network_state().items()}
        if not self.config.tuning.frozen:
            self.backbone.dtype = native_dtype(self.config.precision)
            self.backbone.to(self.backbone.dtype)
        self._load_network(state)
        self.eval()

    def _network_state(self) -> dict[str, Tensor]:
        tuned = tuned_names(self)
        state = {
            name: tensor.detach().contiguous()
            for name, tensor in self.state_dict().items()
            if name.startswith("heads.") or name in tuned
        }
        return state | self._tuned

    def _load_network(self, state: Mapping[str, Tensor]) -> None:
        expected = self._network_state().keys()
        if state.keys() != expected:
            odd = ", ".join(sorted(state.keys() ^ expected)[:3])
            raise RuntimeError(f"the weights belong to another architecture: only one of the two has {odd}")
        _check_weights(state)
        self.load_state_dict(dict(state), strict=False)
        self._tuned = {name: state[name] for name in sorted(state) if name.startswith("backbone.")}
        if self._tuned:
            self.backbone.tuned = hashlib.sha256(save(self._tuned)).hexdigest()[:16]

    def _save_pretrained(self, save_directory: Path) -> None:
        """Write ``config.json`` and ``model.safetensors`` (called by `save_pretrained`)."""
        (save_directory / CONFIG_FILE).write_text(self.config.model_dump_json(indent=2) + "\n")
        save_file(self.trained_state(), save_directory / WEIGHTS_FILE)

    @classmethod
    def _from_pretrained(cls, *, model_id: str, **options: Any) -> AffinityModel:
        """Read a local folder or a hub repository (called by `from_pretrained`)."""
        folder = Path(model_id)
        if not folder.is_dir():
            known = ("revision", "cache_dir", "force_download", "local_files_only", "token")
            folder = hub_folder(model_id, **{k: v for k, v in options.items() if k in known})
        config = ModelConfig.model_validate_json((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        check_members(folder, config)
        model = cls(config)
        model.load_trained_state(load_file(folder / WEIGHTS_FILE))
        return model.eval()


def _check_finite(values: Tensor, config: ModelConfig) -> None:
    if not torch.isfinite(values).all():
        raise ModelError(
            f"the model predicts a pKd that is NaN or infinite (its label_std is {config.label_std:g}); it "
            "is damaged, or its training diverged"
        )


def _check_weights(state: Mapping[str, Tensor]) -> None:
    for name, tensor in state.items():
        if not torch.isfinite(tensor).all():
            raise ModelError(
                f"the weights {name} have values that are NaN or infinite; the file is damaged, or the "
                "training diverged"
            )
