"""Explain predictions: attribution, its faithfulness, what the head attends, and the predicted interface."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from data_curation.structures.chains import read_structure
from heads.base import Head
from heads.pad import PooledAttentionAddition
from ppi.complexes import Complex
from ppi.effects.location import LOCATION_NAMES
from ppi.effects.mutations import SIDES
from ppi.embedding.cache import EmbeddingCache
from ppi.errors import InputError
from ppi.explain.attribution import Attribution, shapley_values
from ppi.explain.faithfulness import Faithfulness, check_faithfulness
from ppi.explain.masking import MaskedComplex
from ppi.explain.reference import AverageResidue
from ppi.io.inputs import Inputs, read_inputs
from ppi.prediction.engine import predict_with
from ppi.prediction.predictor import Predictor
from ppi.prediction.scanning.labels import ChainLabels, label_table
from ppi.progress import progress_bar

#: Residues that are added together, and orders of adding them that are drawn by default.
WINDOW, ORDERS = 5, 16
_INTERFACE = LOCATION_NAMES.index("interface")

#: The columns of an explanation, in order, and what each holds.
COLUMNS = {
    "id": "name of the complex",
    "side": "ligand or receptor",
    "chain": "number of the chain in its side, counted from 1",
    "chain_name": "its name, where a FASTA record, a table or a structure gives one",
    "position": "position in the chain, counted from 1",
    "author_number": "number and insertion code of the residue in the structure, if one is given",
    "residue": "one-letter code",
    "attribution": "what the residue adds to pKd, compared with the average residue of training complexes",
    "attribution_error": "standard error of that, by the random orders that were drawn",
    "pooling_weight": "part of the residue in what the head pools; the mean over the heads of an ensemble",
    "interface": "predicted probability (0 to 1) that the residue is at the interface",
}


@dataclass(frozen=True)
class Explanation:
    """Which residues carry the prediction for one complex.

    Attributes
    ----------
    complex
        What is explained.
    labels
        Names and numbers of its chains.
    attribution
        Attribution of the model's own prediction, before it starts from measured complexes.
    faithfulness
        Whether the attribution tells the truth.
    table
        One row a residue; see `COLUMNS`.
    attention
        For PAD, ``(L, M)``: how much each ligand residue and each receptor residue attend each other, the
        mean of both directions; None for other heads.
    """

    complex: Complex
    labels: tuple[ChainLabels, ...]
    attribution: Attribution
    faithfulness: Faithfulness
    table: pd.DataFrame
    attention: np.ndarray | None


def explain(
    predictor: Predictor,
    complexes: Inputs,
    *,
    structure: str | os.PathLike[str] | None = None,
    orders: int = ORDERS,
    seed: int = 0,
) -> list[Explanation]:
    """Say which residues carry the predictions for complexes.

    Parameters
    ----------
    predictor
        With the model.
    complexes
        See `ppi.io.inputs.read_inputs`.
    structure
        PDB or mmCIF file of the complex, which gives names of chains and numbers of residues.
    orders
        Random orders in which residues are added; more make the errors smaller. Two or more.
    seed
        Seed of all that is drawn.

    Raises
    ------
    ppi.errors.PpiError
        If the input or the structure does not fit, a complex is over the backbone's limit, or the model was
        saved without its training complexes.
    data_curation.errors.StructureError
        If the structure cannot be read.
    """
    if orders < 2:
        raise InputError(f"the number of orders is {orders}; give 2 or more")
    table = read_inputs(complexes)
    labels = label_table(table, None if structure is None else read_structure(structure))
    average = AverageResidue.of_training(
        predictor.model, predictor.trained.training_complexes, predictor.cache, seed=seed
    )
    with progress_bar("explaining", len(table.complexes) * orders, "orders") as advance:
        return [
            _explain(predictor, item, label, average, orders=orders, seed=seed, advance=advance)
            for item, label in zip(table.complexes, labels, strict=True)
        ]


def _explain(
    predictor: Predictor,
    item: Complex,
    labels: tuple[ChainLabels, ...],
    average: AverageResidue,
    *,
    orders: int,
    seed: int,
    advance: Callable[[int], None],
) -> Explanation:
    masked = MaskedComplex(predictor.model, item, average, predictor.cache)
    attribution = shapley_values(
        masked.predict, masked.residues, window=WINDOW, orders=orders, seed=seed, advance=advance
    )
    faithfulness = _faithfulness(predictor, item, attribution, average, seed)
    heads = [head for head in predictor.model.heads if isinstance(head, Head)]
    interface = np.concatenate([side[:, _INTERFACE] for side in predictor.effects.location(item)])
    rows = pd.DataFrame(
        {
            "id": item.id,
            **_places(labels),
            "attribution": attribution.values,
            "attribution_error": attribution.errors,
            "pooling_weight": _pooling_weights(heads, masked),
            "interface": interface,
        }
    )
    return Explanation(item, labels, attribution, faithfulness, rows[[*COLUMNS]], _attention(heads, masked))


def _faithfulness(
    predictor: Predictor, item: Complex, attribution: Attribution, average: AverageResidue, seed: int
) -> Faithfulness:
    # Sequences that nobody will ask for again do not belong into the store.
    with closing(EmbeddingCache(predictor.model.backbone, predictor.device, on_disk=False)) as cache:
        return check_faithfulness(
            item,
            attribution.values,
            average.composition,
            lambda changed: predict_with(predictor.model, changed, cache).mean,
            seed=seed,
        )


def _places(labels: Sequence[ChainLabels]) -> dict[str, list[object]]:
    """Return the columns that say which residue a row is of."""
    found = [
        (label.side, label.chain, label.name, position, label.number(position), residue)
        for side in SIDES
        for label in labels
        if label.side == side
        for position, residue in enumerate(label.residues, start=1)
    ]
    names = ("side", "chain", "chain_name", "position", "author_number", "residue")
    return {name: list(column) for name, column in zip(names, zip(*found, strict=True), strict=True)}


@torch.inference_mode()
def _pooling_weights(heads: Sequence[Head], masked: MaskedComplex) -> np.ndarray:
    """Return ``(L,)``, the mean over the heads, and over both rows of a residue that has two."""
    weights = torch.stack([head.residue_weights(head.mixed(masked.batch)) for head in heads]).mean(dim=0)
    total = np.bincount(masked.rows, weights.double().cpu().numpy())
    found: np.ndarray = total / np.bincount(masked.rows)
    return found


@torch.inference_mode()
def _attention(heads: Sequence[Head], masked: MaskedComplex) -> np.ndarray | None:
    maps = [
        (ahead + back.T) / 2
        for head in heads
        if isinstance(head, PooledAttentionAddition)
        for ahead, back in head.attention_maps(head.mixed(masked.batch))
    ]
    return torch.stack(maps).mean(dim=0).double().cpu().numpy() if maps else None
