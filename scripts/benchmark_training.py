"""How fast probing over cached embeddings is, beside a step that runs the frozen backbone at batch size 1.

The plain step encodes the units of one complex with ESM-2 8M (transformers library, float32, no gradient),
mixes them with that library's ConvBERT layer and scores them with a plain head; the optimiser steps after 32
complexes. Ours gathers ragged batches from the store of embeddings, and steps after each. Between the two
stands the plain head over embeddings that lie in memory: what a cache alone gives. Weights are random, which
times do not depend on.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from transformers import ConvBertConfig, EsmModel
from transformers.models.convbert.modeling_convbert import ConvBertLayer

import ppi
from heads.base import Head, two_layers
from heads.build import build_head
from ppi.backbones.base import Backbone
from ppi.backbones.checkpoints import CHECKPOINTS
from ppi.backbones.esm2 import esm2_config
from ppi.backbones.registry import build_backbone
from ppi.embedding.batching import budget_batches
from ppi.embedding.run import open_embeddings
from ppi.embedding.sources import UnitEmbeddings
from ppi.embedding.units import EncodedComplex, split_into_units
from ppi.training.losses import total_loss
from ppi.training.module import head_outputs
from ppi.training.settings import TrainSettings

BACKBONE = "esm2-8m"
EFFECTIVE_BATCH = 32
_LETTERS = "LAGVSERTIDPKQNFYMHWCX"  # tokens 4 to 24 of ESM-2


class PlainProbe(nn.Module):
    """ConvBERT and HP or PAD for one complex at a time, from the parts that libraries offer."""

    def __init__(self, name: str, dim: int) -> None:
        super().__init__()
        config = ConvBertConfig(
            hidden_size=dim,
            num_attention_heads=8,
            head_ratio=2,
            conv_kernel_size=7,
            intermediate_size=dim // 2,
            hidden_dropout_prob=0.2,
            attention_probs_dropout_prob=0.1,
        )
        self.name = name
        self.mixer = ConvBertLayer(config)
        self.attention = nn.MultiheadAttention(dim, 8, bias=False, batch_first=True)
        self.unit_scores, self.side_scores = nn.Linear(dim, 1, bias=False), nn.Linear(dim, 1, bias=False)
        joined = 2 * dim if name == "hp" else dim
        self.network = nn.Sequential(two_layers(joined, joined), nn.Linear(joined, 1))

    def forward(self, units: Sequence[Tensor], roles: Sequence[int]) -> Tensor:
        mixed = [self.mixer(values.unsqueeze(0)) for values in units]
        if self.name == "pad":
            ligand, receptor = mixed
            sides = [
                one + self.attention(one, other, other)[0]
                for one, other in ((ligand, receptor), (receptor, ligand))
            ]
            return self.network(sum(self._pool(side[0], self.unit_scores) for side in sides))
        chains = [self._pool(values[0], self.unit_scores) for values in mixed]
        sides = [
            self._pool(
                torch.stack([chain for chain, found in zip(chains, roles, strict=True) if found == role]),
                self.side_scores,
            )
            for role in sorted(set(roles))
        ]
        return self.network(torch.cat(sides))

    @staticmethod
    def _pool(values: Tensor, scores: nn.Linear) -> Tensor:
        return scores(values).softmax(0).squeeze(1) @ values


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--complexes", type=int, default=256, help="complexes that ours trains on")
    parser.add_argument(
        "--plain-complexes", type=int, default=48, help="the first of these, for the plain step"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    sample = ppi.load_dataset().sample(options.complexes, random_state=options.seed)
    complexes = [
        ppi.Complex(name, tuple(ligand.split(":")), tuple(receptor.split(":")))
        for name, ligand, receptor in zip(sample["id"], sample["ligand"], sample["receptor"], strict=True)
    ]
    backbone = build_backbone(f"random-{BACKBONE}-seed0")
    model = EsmModel(esm2_config(CHECKPOINTS[BACKBONE]), add_pooling_layer=False).eval()
    print(f"{options.complexes} complexes, {options.threads} thread(s), {backbone.identity}")
    print("microseconds a residue, forward and backward (times faster than the plain step)")
    for name in ("hp", "pad"):
        compare(name, model, backbone, complexes, options)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory of this process: {peak:.2f} GiB")


def compare(
    name: str,
    model: EsmModel,
    backbone: Backbone,
    complexes: Sequence[ppi.Complex],
    options: argparse.Namespace,
) -> None:
    """Time a head in four ways, and print a line for each."""
    head, plain = build_head(name, backbone.dim), PlainProbe(name, backbone.dim)
    everyone = [split_into_units(item, head.encoding_unit) for item in complexes]
    few = everyone[: options.plain_complexes]
    units = [unit for item in everyone for unit in item.units]
    generator = torch.Generator().manual_seed(options.seed)  # each round has batches of its own
    with (
        tempfile.TemporaryDirectory() as store,
        open_embeddings(backbone, units, store=store, device="cpu") as embeddings,
    ):
        cached = {item: [embeddings.rows([unit]) for unit in item.units] for item in few}
        ways: dict[str, tuple[list[EncodedComplex], Callable[[], None]]] = {
            "plain step, batch size 1": (few, lambda: plain_steps(plain, few, partial(encode, model))),
            "plain head over a cache": (few, lambda: plain_steps(plain, few, cached.__getitem__)),
            "ours, float32": (everyone, lambda: our_steps(head, everyone, embeddings, generator)),
            "ours, bfloat16 head": (
                everyone,
                lambda: our_steps(head, everyone, embeddings, generator, low=True),
            ),
        }
        cost = {
            way: best(work, options.rounds) / sum(item.residues for item in items)
            for way, (items, work) in ways.items()
        }
    first = next(iter(cost.values()))
    print(f"ConvBERT-{name.upper()}")
    for way, seconds in cost.items():
        print(f"  {way}: {seconds * 1e6:.0f} ({first / seconds:.1f} x)")


@torch.no_grad()
def encode(model: EsmModel, item: EncodedComplex) -> list[Tensor]:
    """Return residue embeddings of each unit: ``<cls> chain <eos> chain <eos>``, special tokens cut out."""
    found = []
    for unit in item.units:
        ids = [0, *(token for chain in unit for token in [*(4 + _LETTERS.index(r) for r in chain), 2])]
        tokens = torch.tensor([ids])
        hidden = model(input_ids=tokens, attention_mask=torch.ones_like(tokens)).last_hidden_state[0]
        found.append(hidden[tokens[0] > 3])
    return found


def plain_steps(
    probe: PlainProbe, items: Sequence[EncodedComplex], values: Callable[[EncodedComplex], list[Tensor]]
) -> None:
    """Train on complexes one by one."""
    optimizer = torch.optim.AdamW(probe.parameters(), lr=1e-4)
    for number, item in enumerate(items, start=1):
        (probe(values(item), item.roles) ** 2).sum().backward()
        if number % EFFECTIVE_BATCH == 0 or number == len(items):
            optimizer.step()
            optimizer.zero_grad()


def our_steps(
    head: Head,
    items: Sequence[EncodedComplex],
    embeddings: UnitEmbeddings,
    generator: torch.Generator,
    *,
    low: bool = False,
) -> None:
    """Train on ragged batches of complexes in random order; `low` for bfloat16."""
    settings = TrainSettings()
    optimizer = torch.optim.AdamW(head.parameters(), lr=1e-4)
    order = torch.randperm(len(items), generator=generator).tolist()
    for rows in budget_batches([item.residues for item in items], settings.batch_residues, order):
        batch = embeddings.gather([items[row] for row in rows])
        outputs = head_outputs(head, batch, low=low)
        total_loss({"mse": 1.0}, outputs, torch.zeros(len(rows)), torch.ones(len(rows))).backward()
        optimizer.step()
        optimizer.zero_grad()


def best(work: Callable[[], None], rounds: int) -> float:
    """Return the seconds of the fastest of several rounds."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


if __name__ == "__main__":
    main()
