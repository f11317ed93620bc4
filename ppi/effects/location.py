"""Where a residue lies: at the interface with this partner, buried or exposed, learnt from structures.

A small network reads the residue embeddings of both sides of a complex. Convolutions look along each chain,
and each residue is told what the other side is like, with the same weights in both directions, so that
exchanging ligand and receptor exchanges the results and changes nothing else. The classes core, rim and
support are those of Levy (J. Mol. Biol. 2010).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from ppi.complexes import AMINO_ACIDS
from ppi.effects.encoding import LIKELIHOODS

#: What is predicted for each residue, in this order: the probability that the shortest heavy-atom distance
#: to the other side is under 5 and under 8 angstrom; the accessible surface in the side alone relative to
#: Gly-X-Gly; the probabilities of five classes; log(1 + CB atoms of the other side within 10 angstrom); CB
#: atoms of the own side within 10 angstrom, over 20.
LOCATION_NAMES = (
    *("interface", "near", "exposure"),
    *("core", "rim", "support", "surface", "interior"),
    *("log_contacts", "packing"),
)
CLASSES = slice(3, 8)
#: Numbers beside the embedding of a residue: its kind, where it is in its chain, and lengths.
EXTRA_FEATURES = len(AMINO_ACIDS) + 6
_NEAR_END = 10.0


@dataclass(frozen=True)
class LocationSettings:
    """Shape of the network: what leaves it and its weights know nothing else.

    Attributes
    ----------
    inputs
        Numbers per residue: the projected embedding and `EXTRA_FEATURES`.
    width
        Width of the hidden layers.
    kernel
        Residues that a convolution sees.
    """

    inputs: int
    width: int = 64
    kernel: int = 5


class LocationNetwork(nn.Module):
    """Predicts the location of every residue of a complex.

    Parameters
    ----------
    settings
        Its shape.
    """

    def __init__(self, settings: LocationSettings) -> None:
        super().__init__()
        self.settings = settings
        width = settings.width
        self.enter = nn.Linear(settings.inputs, width)
        self.dropout = nn.Dropout(0.2)
        self.along = nn.Sequential(*(_Convolution(width, settings.kernel, spread) for spread in (1, 2)))
        self.across = _Partner(width)
        self.after = _Convolution(width, settings.kernel, 1)
        self.norm = nn.LayerNorm(width)
        self.leave = nn.Linear(width, len(LOCATION_NAMES))

    def forward(self, ligand: Sequence[Tensor], receptor: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return ``(L, 10)`` raw outputs of each side, in the order of `LOCATION_NAMES`.

        Parameters
        ----------
        ligand, receptor
            ``(length, inputs)`` features of each chain; see `chain_features`.
        """
        first, second = (
            torch.cat([self.along(self.enter(self.dropout(chain))) for chain in side])
            for side in (ligand, receptor)
        )
        first, second = self.across(first, second), self.across(second, first)
        left, right = (self.leave(self.norm(self.after(side))) for side in (first, second))
        return left, right


class _Convolution(nn.Module):
    """A residual convolution along a chain: ``(L, D) -> (L, D)``."""

    def __init__(self, width: int, kernel: int, spread: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mix = nn.Conv1d(width, width, kernel, padding=spread * (kernel // 2), dilation=spread)
        self.out = nn.Linear(width, width)
        self.dropout = nn.Dropout(0.1)

    def forward(self, values: Tensor) -> Tensor:
        mixed = self.mix(self.norm(values).T[None])[0].T
        return values + self.dropout(self.out(gelu(mixed)))


class _Partner(nn.Module):
    """Tells the residues of one side what the other is like: ``(L, D), (M, D) -> (L, D)``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mix = nn.Linear(3 * width, width)
        self.out = nn.Linear(width, width)

    def forward(self, values: Tensor, others: Tensor) -> Tensor:
        own, other = self.norm(values), self.norm(others)
        summary = torch.cat([other.mean(0), other.amax(0)]).expand(len(own), -1)
        return values + self.out(gelu(self.mix(torch.cat([own, summary], dim=1))))


def chain_features(chain: str, embedding: Tensor, chains: int, partner_residues: int) -> Tensor:
    """Return the ``(length, inputs)`` features of a chain for `LocationNetwork`.

    Parameters
    ----------
    chain
        Its residues.
    embedding
        ``(length, D + 20)``, encoded; see `ppi.effects.encoding`.
    chains
        Chains of its side.
    partner_residues
        Residues of the other side.
    """
    length = len(chain)
    kinds = torch.zeros(length, len(AMINO_ACIDS))
    columns = torch.tensor([AMINO_ACIDS.find(residue) for residue in chain])
    known = columns >= 0
    kinds[known, columns[known]] = 1.0
    place = torch.arange(length, dtype=torch.float32)
    everywhere = torch.ones(length)
    described = [
        place / length,
        torch.exp(-place / _NEAR_END),
        torch.exp((place + 1 - length) / _NEAR_END),
        everywhere * (math.log(length) / 3 - 1.5),
        everywhere * (chains - 1.0),
        everywhere * (math.log(partner_residues) / 3 - 1.5),
    ]
    encoded = embedding.float()
    likelihoods = encoded[:, LIKELIHOODS] / 3 + 1
    parts = [encoded[:, : LIKELIHOODS.start], likelihoods, kinds, torch.stack(described, dim=1)]
    return torch.cat(parts, dim=1)


def as_location(outputs: Tensor) -> np.ndarray:
    """Return ``(L, 10)`` locations, by `LOCATION_NAMES`, for raw outputs of the network."""
    classes = outputs[:, CLASSES].softmax(-1)
    parts = [outputs[:, :2].sigmoid(), outputs[:, 2:3], classes, outputs[:, CLASSES.stop :]]
    found: np.ndarray = torch.cat(parts, dim=1).numpy()
    return found


def side_features(
    sides: Sequence[Sequence[str]], embeddings: Sequence[Sequence[Tensor]]
) -> list[list[Tensor]]:
    """Return the features of the chains of both sides; see `chain_features`."""
    residues = [sum(map(len, side)) for side in sides]
    return [
        [
            chain_features(chain, embedding, len(side), residues[1 - number])
            for chain, embedding in zip(side, embedded, strict=True)
        ]
        for number, (side, embedded) in enumerate(zip(sides, embeddings, strict=True))
    ]


def predict_location(
    networks: Sequence[LocationNetwork],
    sides: Sequence[Sequence[str]],
    embeddings: Sequence[Sequence[Tensor]],
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean ``(L, 10)`` location, by `LOCATION_NAMES`, of the residues of ligand and receptor.

    Parameters
    ----------
    networks
        Members of an ensemble, in evaluation mode.
    sides
        Chains of ligand and receptor.
    embeddings
        ``(length, D + 20)`` encoded residues of each of these chains.
    """
    ligand, receptor = side_features(sides, embeddings)
    with torch.inference_mode():
        outputs = [network(ligand, receptor) for network in networks]
    left, right = (
        np.stack([as_location(output[side]) for output in outputs]).mean(axis=0) for side in (0, 1)
    )
    return left, right
