"""Training of the network that predicts where residues lie."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss

from ppi.effects.interfaces import Interface
from ppi.effects.location import (
    CLASSES,
    EXTRA_FEATURES,
    LocationNetwork,
    LocationSettings,
    side_features,
)
from ppi.progress import progress_bar


@dataclass(frozen=True)
class LocationTraining:
    """How the network is trained.

    Attributes
    ----------
    epochs
        Passes over the sampled complexes.
    batch
        Complexes of one step.
    learning_rate, weight_decay, warmup_steps
        Settings of AdamW; the learning rate rises over the first steps and falls along a cosine to zero.
    group_share
        A complex of a group of ``n`` near-duplicates is drawn in an epoch with this probability over ``n``.
    source_share
        By source: the part of it that is drawn, where it is not all.
    """

    epochs: int = 3
    batch: int = 2
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    warmup_steps: int = 100
    group_share: float = 1.2
    source_share: tuple[tuple[str, float], ...] = (("tcrdock_pmhc", 0.3),)


def train_location(
    interfaces: Sequence[Interface],
    embeddings: Mapping[str, Tensor],
    training: LocationTraining,
    *,
    seed: int,
) -> LocationNetwork:
    """Train one network.

    Parameters
    ----------
    interfaces
        What it learns from.
    embeddings
        ``(length, D + 20)`` encoded residues of each chain.
    training
        How.
    seed
        Seed of weights, order and dropout.

    Returns
    -------
    LocationNetwork
        In evaluation mode.
    """
    generator = np.random.default_rng(seed)
    width = next(iter(embeddings.values())).shape[1]
    chances = _chances(interfaces, training)
    epochs = [_drawn(chances, generator) for _ in range(training.epochs)]
    steps = [
        epoch[start : start + training.batch]
        for epoch in epochs
        for start in range(0, len(epoch), training.batch)
    ]
    with torch.random.fork_rng(devices=[]), progress_bar("locations", len(steps), "steps") as advance:
        torch.manual_seed(seed)
        network = LocationNetwork(LocationSettings(width + EXTRA_FEATURES))
        optimiser = torch.optim.AdamW(
            network.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay
        )
        for number, step in enumerate(steps):
            share = 0.5 + 0.5 * math.cos(math.pi * number / len(steps))
            rate = training.learning_rate * min(1.0, (number + 1) / training.warmup_steps) * share
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.zero_grad()
            for place in step:
                (_loss(network, interfaces[place], embeddings) / len(step)).backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            advance(1)
    return network.eval()


def _chances(interfaces: Sequence[Interface], training: LocationTraining) -> np.ndarray:
    sizes, shares = Counter(item.group for item in interfaces), dict(training.source_share)
    return np.array(
        [
            min(1.0, training.group_share / sizes[item.group]) * shares.get(item.source, 1.0)
            for item in interfaces
        ]
    )


def _drawn(chances: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return the places of the complexes of one epoch, in their order."""
    return generator.permutation(np.flatnonzero(generator.random(len(chances)) < chances))


def _loss(network: LocationNetwork, item: Interface, embeddings: Mapping[str, Tensor]) -> Tensor:
    """Return the loss of a complex; a side counts with the square root of its length."""
    embedded = [[embeddings[chain] for chain in side] for side in item.sides]
    outputs = network(*side_features(item.sides, embedded))
    losses = [
        _side_loss(output, torch.from_numpy(truth)) * len(truth) ** 0.5 / 40
        for output, truth in zip(outputs, item.locations, strict=True)
    ]
    return torch.stack(losses).sum()


def _side_loss(output: Tensor, truth: Tensor) -> Tensor:
    losses = [
        binary_cross_entropy_with_logits(output[:, 0], truth[:, 0]),
        binary_cross_entropy_with_logits(output[:, 1], truth[:, 1]) * 0.5,
        mse_loss(output[:, 2], truth[:, 2]) * 2.0,
        cross_entropy(output[:, CLASSES], truth[:, CLASSES]) * 0.5,
        mse_loss(output[:, CLASSES.stop :], truth[:, CLASSES.stop :]) * 0.4,
    ]
    return torch.stack(losses).sum()
