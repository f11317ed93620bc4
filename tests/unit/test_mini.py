"""The pretrained language model that ships in the package."""

from __future__ import annotations

import json

import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import EsmForMaskedLM

from ppi.backbones.checkpoints import shipped_folder
from ppi.backbones.listing import backbone_table
from ppi.backbones.registry import build_backbone
from ppi.backbones.vocabulary import ESM_TOKENS
from ppi.errors import BackboneError

CLS, EOS, MASK = 0, 2, 32
# Human; UniProt P0CG48, residues 1 to 76.
UBIQUITIN = "MQIFVKTLTGKTITLEVEPSDTIENVKAKIQDKEGIPPDQQRLIFAGKQLEDGRTLSDYNIQKESTLHLVLRLRGG"


@torch.inference_mode()
def test_it_guesses_the_residues_of_ubiquitin_better_than_their_frequencies_in_nature() -> None:
    folder = shipped_folder("ppi-mini")
    model = EsmForMaskedLM.from_pretrained(folder, dtype=torch.float32).eval()
    ids = torch.tensor([CLS, *(ESM_TOKENS.index(residue) for residue in UBIQUITIN), EOS])
    losses = []
    for first in range(1, 8):
        places = torch.arange(first, len(UBIQUITIN) + 1, 7)
        scores = model(ids.index_fill(0, places, MASK)[None]).logits[0, places]
        losses.append(cross_entropy(scores, ids[places], reduction="none"))
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    perplexity = torch.cat(losses).mean().exp().item()
    assert perplexity < manifest["corpus"]["unigram_perplexity"]


@torch.inference_mode()
def test_it_embeds_as_the_transformers_library_reads_it() -> None:
    folder = shipped_folder("ppi-mini")
    units = [(UBIQUITIN,), (UBIQUITIN[:20], "MKVLAW"), ("X",)]
    by_name, by_path = (build_backbone(spec, precision="float32") for spec in ("ppi-mini", str(folder)))
    assert "transformers" in type(by_path.model).__module__
    assert "transformers" not in type(by_name.model).__module__
    assert torch.equal(by_name.embed(units), by_path.embed(units))
    assert by_name.identity == by_path.identity


def test_it_is_a_backbone_by_name() -> None:
    backbone, random = build_backbone("ppi-mini"), build_backbone("random-ppi-mini-seed0")
    assert (backbone.spec, backbone.dim) == ("ppi-mini", 320)
    assert backbone.licence == "MIT"
    sizes = [{name: weight.shape for name, weight in one.named_parameters()} for one in (backbone, random)]
    assert sizes[0] == sizes[1]
    assert backbone.identity != random.identity
    assert backbone_table().set_index("name").loc["ppi-mini", "cached"] == "in the package"


def test_it_has_no_revisions() -> None:
    with pytest.raises(BackboneError, match="ppi-mini is bundled and has no revisions"):
        build_backbone("ppi-mini@main")


def test_its_card_says_what_its_manifest_says() -> None:
    folder = shipped_folder("ppi-mini")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    card = (folder / "README.md").read_text(encoding="utf-8")
    for fact in (
        f"{manifest['state']['tokens']:,} tokens",
        f"perplexity {manifest['validation']['perplexity']:.2f}",
        manifest["corpus"]["files"][0]["sha256"],
    ):
        assert fact in card
