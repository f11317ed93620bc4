"""Pretraining, part by part: corpus, batches, masks, the packed model against transformers, rate, options."""

from __future__ import annotations

import argparse
import gzip
import json
import lzma
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import random_chain
from transformers import EsmForMaskedLM

from ppi.backbones.registry import build_backbone
from ppi.complexes import AMINO_ACIDS
from ppi.errors import InputError, SettingsError
from ppi.pretraining.arguments import add_options, taken
from ppi.pretraining.batches import PackedTokens, TokenStream
from ppi.pretraining.corpus import (
    CLS,
    EOS,
    FIRST_RESIDUE,
    LAST_RESIDUE,
    MASK,
    TokenizedSequences,
    open_corpus,
    prepare_corpus,
    unigram_perplexity,
)
from ppi.pretraining.held_out import choose_clusters
from ppi.pretraining.masking import mask_tokens
from ppi.pretraining.model import VOCABULARY, MaskedLanguageModel, make_model, save_model, small_config
from ppi.pretraining.muon import Muon, orthogonalised
from ppi.pretraining.optimiser import Learner
from ppi.pretraining.schedule import decay_start, rate
from ppi.pretraining.sequences import read_sequences
from ppi.pretraining.settings import PretrainSettings, RunOptions
from ppi.pretraining.validation import validation_batches

CONFIG = small_config(depth=2, width=32, heads=2, context=64)


def tokenized(random: np.random.Generator, *lengths: int) -> TokenizedSequences:
    tokens = random.integers(FIRST_RESIDUE, LAST_RESIDUE + 1, sum(lengths)).astype(np.uint8)
    return TokenizedSequences(tokens, np.cumsum([0, *lengths]))


def text(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


# Sequences


@pytest.mark.parametrize("form", ["text", "fasta"])
@pytest.mark.parametrize("packed", ["plain", "gzip", "xz"])
def test_every_form_gives_the_same(tmp_path: Path, form: str, packed: str) -> None:
    written = {
        "text": "MKVLAW\r\n\r\nacdefgX\nMKWWU*\n",
        "fasta": ">a x\nMKV\nLAW\n>b\nacdefgX\n\n>c\nMKWW\nU*\n",
    }[form].encode()
    pack = {"plain": bytes, "gzip": gzip.compress, "xz": lzma.compress}[packed]
    (tmp_path / "file").write_bytes(pack(written))
    read = read_sequences([tmp_path / "file"])
    assert read.sequences == [b"MKVLAW", b"ACDEFGX", b"MKWWU"]
    assert (read.lowered, read.dropped) == (1, 0)


def test_what_is_no_residue_drops_the_line_and_is_counted(tmp_path: Path) -> None:
    lines = ["MKVLAW", "MK-LAW", "MK*LAW", "MK1LAW", "MKJLAW", "*"]
    read = read_sequences([text(tmp_path / "a.txt", *lines)])
    assert read.sequences == [b"MKVLAW"]
    assert read.dropped == 5
    assert read.first_dropped == "a.txt, line 2: '-' is not a residue"


def test_unfit_files_are_refused_by_name_and_line(tmp_path: Path) -> None:
    good = text(tmp_path / "good.txt", "MKVLAWDEFG")
    cases = {
        "empty.txt, *the file is empty": "\n\n",
        "none of 2 sequences is a protein; first: .*line 1: '-'": "--\n12\n",
        "line 2: a sequence of more than 100,000 residues": "MKV\n" + "A" * 100_001,
        "line 4: a sequence of more than 100,000": ">a\n" + 3 * ("M" * 40_000 + "\n"),
        "100% of the letters are A, C, G, T, U or N": "ACGTNNACGU\n",
    }
    for expected, content in cases.items():
        (tmp_path / "empty.txt").write_text(content)
        alone = "letters" in expected
        with pytest.raises(InputError, match=expected.replace("txt, *", "txt: ")):
            read_sequences([*([] if alone else [good]), tmp_path / "empty.txt"])
    with pytest.raises(InputError, match="no such file"):
        read_sequences([tmp_path / "absent"])
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"MKVLAW" * 1000)[:-20])
    with pytest.raises(InputError, match=r"cut.gz: cannot be read"):
        read_sequences([tmp_path / "cut.gz"])


# Corpus


def changed(chain: str) -> str:
    """Return a chain with another residue in the middle."""
    return f"{chain[:40]}{'A' if chain[40] == 'W' else 'W'}{chain[41:]}"


def residues_of(sequences: TokenizedSequences) -> set[str]:
    letters = np.array(list(VOCABULARY))
    return {"".join(letters[part]) for part in np.split(sequences.tokens, sequences.offsets[1:-1])}


def test_files_may_overlap_and_come_in_any_order(tmp_path: Path, random: np.random.Generator) -> None:
    chains = [random_chain(random, 60) for _ in range(12)]
    first, second = text(tmp_path / "1", *chains[:8]), text(tmp_path / "2", *chains[5:])
    made = prepare_corpus([first, second], tmp_path / "a", validation_fraction=0.2, seed=0)
    assert made.manifest["repeated"] == 3
    assert residues_of(made.train) | residues_of(made.validation) == set(chains)
    again = prepare_corpus([second, first], tmp_path / "b", validation_fraction=0.2, seed=0)
    assert again.manifest == made.manifest
    assert np.array_equal(again.train.tokens, made.train.tokens)


def test_a_larger_corpus_holds_out_what_an_earlier_one_held_out(
    tmp_path: Path, random: np.random.Generator
) -> None:
    old, new = ([random_chain(random, 80) for _ in range(12)] for _ in range(2))
    first = text(tmp_path / "1", *old)
    earlier = prepare_corpus([first], tmp_path / "a", validation_fraction=0.2, seed=0)
    # The second file has a relative of each old sequence, and sequences of its own.
    second = text(tmp_path / "2", *(changed(chain) for chain in old), *new)
    made = prepare_corpus(
        [second, first],
        tmp_path / "b",
        validation_fraction=0.2,
        seed=0,
        compare_with=tmp_path / "a" / "manifest.json",
    )
    held_before, held = residues_of(earlier.validation), residues_of(made.validation)
    assert held_before < held
    assert residues_of(earlier.train) <= residues_of(made.train)
    assert {changed(chain) for chain in held_before} <= held
    assert not {changed(chain) for chain in residues_of(earlier.train)} & held
    assert 0.2 * 12 <= len(held & set(new)) <= 0.4 * 12
    taken = prepare_corpus(
        [first, second],
        tmp_path / "c",
        validation_fraction=0.2,
        seed=0,
        held_out=tmp_path / "b" / "manifest.json",
    )
    assert taken.manifest == made.manifest
    with pytest.raises(InputError, match=r"corpus of other files: 1 is not among the given files"):
        prepare_corpus(
            [second],
            tmp_path / "d",
            validation_fraction=0.2,
            seed=0,
            compare_with=tmp_path / "a" / "manifest.json",
        )


def test_a_corpus_is_made_once_and_holds_out_whole_clusters(
    tmp_path: Path, random: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    families = [random_chain(random, 80) for _ in range(12)]
    # Two of each family differ in one residue: their cluster is on one side.
    lines = [*families, *(changed(chain) for chain in families)]
    file = text(tmp_path / "corpus.txt", *lines)
    corpus = prepare_corpus([file], tmp_path / "made", validation_fraction=0.2, seed=0)
    held = corpus.manifest["held_out"]
    assert corpus.manifest["clusters"] == 12
    assert {number % 12 for number in held if number < 12} == {number % 12 for number in held if number >= 12}
    assert 0.2 * 24 <= len(held) <= 0.4 * 24
    assert corpus.manifest["train"]["sequences"] == 24 - len(held)
    vocabulary = np.array(list(VOCABULARY))
    decoded = [
        "".join(vocabulary[part])
        for part in np.split(corpus.validation.tokens, corpus.validation.offsets[1:-1])
    ]
    assert decoded == [lines[number] for number in held]

    monkeypatch.setattr("ppi.pretraining.corpus.read_sequences", None)  # nothing is read again
    assert prepare_corpus([file], tmp_path / "made", validation_fraction=0.2, seed=0).key == corpus.key
    with pytest.raises(SettingsError, match="contains a corpus of other files"):
        prepare_corpus([file], tmp_path / "made", validation_fraction=0.2, seed=1)


def test_held_out_sequences_can_be_taken_over(
    tmp_path: Path, random: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = text(tmp_path / "corpus.txt", *(random_chain(random, 60) for _ in range(10)))
    made = prepare_corpus([file], tmp_path / "a", validation_fraction=0.2, seed=0)
    monkeypatch.setattr("ppi.pretraining.corpus.hold_out", None)  # no MMseqs2
    manifest = tmp_path / "a" / "manifest.json"
    again = prepare_corpus([file], tmp_path / "b", validation_fraction=0.2, seed=0, held_out=manifest)
    assert again.manifest == made.manifest
    assert np.array_equal(again.train.tokens, made.train.tokens)
    with pytest.raises(InputError, match="manifest of another corpus"):
        prepare_corpus([file], tmp_path / "c", validation_fraction=0.3, seed=0, held_out=manifest)


def test_what_clusters_may_be_absent_and_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "data_curation.splits.clustering", None)
    with pytest.raises(InputError, match=r"not installed .*--prepared.*--held-out"):
        prepare_corpus([text(tmp_path / "a", "MKVLAW")], tmp_path / "b", validation_fraction=0.2, seed=0)
    assert not (tmp_path / "b").exists()


def test_a_damaged_corpus_is_refused(tmp_path: Path, random: np.random.Generator) -> None:
    file = text(tmp_path / "corpus.txt", *(random_chain(random, 60) for _ in range(10)))
    prepare_corpus([file], tmp_path / "a", validation_fraction=0.2, seed=0)
    np.save(tmp_path / "a" / "train_tokens.npy", np.zeros(5, np.uint8))
    with pytest.raises(InputError, match="train tokens are damaged"):
        open_corpus(tmp_path / "a")


def test_clusters_that_are_too_large_are_passed_over() -> None:
    lengths = np.array([60, 20, 4, 4, 4, 4, 4])
    for seed in range(20):
        chosen = choose_clusters(np.arange(7), lengths, 0.1, seed)
        assert 10 <= lengths[chosen].sum() <= 20


def test_unigram_perplexity_of_equal_frequencies_is_twenty() -> None:
    tokens = np.tile(np.arange(FIRST_RESIDUE, LAST_RESIDUE + 1, dtype=np.uint8), 10)
    assert unigram_perplexity(tokens, tokens) == pytest.approx(20)


# Batches and masks


def test_an_epoch_shows_every_token_once_in_full_batches(random: np.random.Generator) -> None:
    sequences = tokenized(random, *random.integers(1, 60, 40))
    stream = TokenStream(sequences, context=512, batch_tokens=50, seed=3)
    seen = [stream.batch(number) for number in range(stream.batches_per_epoch)]
    assert {len(batch.ids) for batch in seen} == {50}
    assert all(sum(batch.lengths) == 50 and batch.lengths == sorted(batch.lengths) for batch in seen)
    expected = np.bincount(sequences.tokens, minlength=33)
    expected[[CLS, EOS]] = 40
    missing = expected - np.bincount(np.concatenate([batch.ids for batch in seen]), minlength=33)
    assert missing.min() >= 0
    assert missing.sum() < 50


def test_a_window_keeps_the_marks_of_the_ends_that_it_reaches(random: np.random.Generator) -> None:
    sequences = tokenized(random, 20)
    whole = [CLS, *sequences.tokens.tolist(), EOS]
    stream = TokenStream(sequences, context=12, batch_tokens=12, seed=0)
    found = [stream.batch(number).ids.tolist() for number in range(60)]
    windows = [whole[start : start + 12] for start in range(11)]
    assert {tuple(ids) for ids in found} == {tuple(window) for window in windows}


def test_a_batch_follows_from_seed_and_number_alone(random: np.random.Generator) -> None:
    sequences = tokenized(random, *random.integers(5, 90, 30))
    one = TokenStream(sequences, context=40, batch_tokens=64, seed=1)
    forwards = [one.batch(number) for number in range(40)]
    other = TokenStream(sequences, context=40, batch_tokens=64, seed=1)
    for number in (39, 3, 20):
        again = other.batch(number)
        assert np.array_equal(again.ids, forwards[number].ids)
        assert again.lengths == forwards[number].lengths
    epoch = one.batches_per_epoch
    assert not np.array_equal(one.batch(0).ids, one.batch(epoch).ids)
    assert not np.array_equal(
        TokenStream(sequences, context=40, batch_tokens=64, seed=2).batch(0).ids, forwards[0].ids
    )


def test_too_small_a_corpus_is_refused(random: np.random.Generator) -> None:
    with pytest.raises(InputError, match="has 12 tokens .* fewer than one batch of 13"):
        TokenStream(tokenized(random, 10), context=40, batch_tokens=13, seed=1)


def test_masks_are_15_percent_and_80_10_10() -> None:
    random = np.random.default_rng(0)
    ids = random.integers(FIRST_RESIDUE, LAST_RESIDUE + 1, 200_000)
    ids[::50], ids[1::50], ids[2::50] = CLS, EOS, VOCABULARY.index("X")
    batch = mask_tokens(PackedTokens(ids, [len(ids)]), 0, 7)
    shown, targets = batch.ids[batch.rows], batch.targets
    assert len(batch.rows) == 30_000
    assert torch.equal(targets, torch.from_numpy(ids)[batch.rows])
    assert FIRST_RESIDUE <= targets.min() <= targets.max() <= LAST_RESIDUE
    untouched = torch.ones(len(ids), dtype=torch.bool)
    untouched[batch.rows] = False
    assert torch.equal(batch.ids[untouched], torch.from_numpy(ids)[untouched])
    assert (shown == MASK).float().mean() == pytest.approx(0.8, abs=0.01)
    # A twentieth of the swapped ones are what they were.
    assert (shown == targets).float().mean() == pytest.approx(0.1 + 0.1 / 20, abs=0.01)
    assert torch.equal(mask_tokens(PackedTokens(ids, [len(ids)]), 0, 7).ids, batch.ids)
    assert not torch.equal(mask_tokens(PackedTokens(ids, [len(ids)]), 0, 8).ids, batch.ids)


# Model


def batch_of_three(random: np.random.Generator) -> PackedTokens:
    lengths = [9, 9, 22]
    ids = random.integers(FIRST_RESIDUE, LAST_RESIDUE + 1, 40)
    ids[[0, 9, 18]], ids[[8, 17]] = CLS, EOS
    return PackedTokens(ids, lengths)


def plain_logits(model: EsmForMaskedLM, ids: torch.Tensor, lengths: list[int]) -> torch.Tensor:
    rows = [
        model(input_ids=one[None], attention_mask=torch.ones_like(one[None])).logits[0]
        for one in ids.split(lengths)
    ]
    return torch.cat(rows)


def test_the_packed_model_is_that_of_transformers_forwards_and_backwards(random: np.random.Generator) -> None:
    model = make_model(CONFIG, 0)
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.1 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1))
    batch = mask_tokens(batch_of_three(random), 0, 0)
    assert (batch.ids == MASK).any()
    expected = plain_logits(model, batch.ids, batch.lengths)[batch.rows]
    torch.nn.functional.cross_entropy(expected, batch.targets).backward()
    plain = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}

    model.zero_grad()
    ours = MaskedLanguageModel(model)
    assert torch.allclose(ours(batch), expected, atol=1e-4)
    ours.loss(batch).backward()
    assert set(plain) == set(ours.weights())
    for name, weight in ours.weights().items():
        assert torch.allclose(weight.grad, plain[name], atol=1e-4), name


def test_validation_asks_for_what_is_hidden_alone() -> None:
    random = np.random.default_rng(0)
    sequences = tokenized(random, *[62] * 64)
    (batch,) = validation_batches(sequences, context=64, most_tokens=4096)
    assert (batch.ids[batch.rows] == MASK).all()
    assert len(batch.rows) == (batch.ids == MASK).sum()
    assert len(batch.rows) / 4096 == pytest.approx(0.15 * 0.8, rel=0.1)
    assert ((batch.targets >= FIRST_RESIDUE) & (batch.targets <= LAST_RESIDUE)).all()
    (requested,) = validation_batches(sequences, context=64, most_tokens=4096, hidden_only=False)
    assert len(requested.rows) == round(0.15 * 4096)
    assert torch.equal(requested.ids, batch.ids)


def test_a_piece_with_nothing_but_masks_is_finite() -> None:
    ours = MaskedLanguageModel(make_model(CONFIG, 0))
    ids = np.array([5, CLS, 6, 7, EOS])
    batch = mask_tokens(PackedTokens(ids, [1, 4]), 0, 0)
    batch.ids[0] = MASK
    assert torch.isfinite(ours(batch)).all()


def test_bfloat16_agrees_and_keeps_float32_weights(random: np.random.Generator) -> None:
    settings = PretrainSettings(learning_rate=1e-6)
    exact, halved = (
        Learner(CONFIG, settings, device=torch.device("cpu"), dtype=dtype)
        for dtype in (torch.float32, torch.bfloat16)
    )
    assert all(torch.equal(exact.weights[name], halved.weights[name]) for name in exact.weights)
    batch = mask_tokens(batch_of_three(random), 0, 0)
    losses = [learner.backward(batch, 1.0).item() for learner in (exact, halved)]
    assert losses[1] == pytest.approx(losses[0], rel=0.01)
    for name, weight in exact.weights.items():
        found = halved.weights[name].grad
        assert found.dtype == torch.float32
        assert torch.nn.functional.cosine_similarity(found.flatten(), weight.grad.flatten(), dim=0) > 0.99, (
            name
        )
    before = halved.weights["lm_head.dense.weight"].clone()
    halved.step(1e-6)  # far below what bfloat16 resolves
    assert not torch.equal(halved.weights["lm_head.dense.weight"], before)


def test_micro_batches_add_up_to_their_mean(random: np.random.Generator) -> None:
    settings = PretrainSettings()
    learner = Learner(CONFIG, settings, device=torch.device("cpu"), dtype=torch.bfloat16)
    batches = [mask_tokens(batch_of_three(random), 0, number) for number in range(2)]
    gradients = []
    for batch in batches:
        learner.backward(batch, 1.0)
        gradients.append(learner.weights["lm_head.dense.weight"].grad.clone())
        learner.weights["lm_head.dense.weight"].grad = None
    for batch in batches:
        learner.backward(batch, 0.5)
    found = learner.weights["lm_head.dense.weight"].grad
    assert torch.allclose(found, (gradients[0] + gradients[1]) / 2, rtol=0.02, atol=1e-4)


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_weight_decay_spares_norms_biases_and_embeddings(optimizer: Any) -> None:
    settings = PretrainSettings(optimizer=optimizer)
    learner = Learner(CONFIG, settings, device=torch.device("cpu"), dtype=torch.float32)
    for weight in learner.weights.values():
        weight.grad = torch.zeros_like(weight)
        weight.data.fill_(1.0)
    learner.step(1e-2)
    shrunk = {name for name, weight in learner.weights.items() if weight.detach().max() < 1}
    assert shrunk == {
        name
        for name in learner.weights
        if name.endswith(("dense.weight", "query.weight", "key.weight", "value.weight"))
    }


def test_muon_moves_a_matrix_as_far_in_all_directions() -> None:
    settings = PretrainSettings(weight_decay=0.0)
    learner = Learner(CONFIG, settings, device=torch.device("cpu"), dtype=torch.float32)
    generator = torch.Generator().manual_seed(0)
    for weight in learner.weights.values():
        weight.grad = torch.randn(weight.shape, generator=generator)
    matrix, bias = learner.weights["lm_head.dense.weight"], learner.weights["lm_head.bias"]
    left, _, right = torch.linalg.svd(torch.randn(32, 32, generator=generator))
    matrix.grad = left @ torch.diag(torch.logspace(0, -1.5, 32)) @ right
    before = matrix.detach().clone(), bias.detach().clone()
    learner.step(1e-2)
    moved = before[0] - matrix.detach()
    along = (left.T @ moved @ right.T).diagonal()
    assert along.min() > 0
    assert along.max() < 3 * along.min()  # where those of the gradient differ by a factor of 32
    # As long as a step of AdamW, which moves each weight by about a fifth of the rate.
    assert moved.square().mean().sqrt() == pytest.approx(2e-3, rel=0.2)
    assert (before[1] - bias.detach()).abs().max() == pytest.approx(1e-2, rel=0.01)  # AdamW's first


def test_muon_is_that_of_torch() -> None:
    shapes = [(24, 24), (24, 40), (40, 24), (24, 24)]
    ours, theirs = ([torch.nn.Parameter(torch.ones(shape)) for shape in shapes] for _ in range(2))
    batched = Muon(ours, weight_decay=0.1)
    reference = torch.optim.Muon(theirs, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for step in (1e-2, 3e-3, 1e-3):
        for optimizer, weights in ((batched, ours), (reference, theirs)):
            optimizer.param_groups[0]["lr"] = step
            random = torch.Generator().manual_seed(int(1 / step))
            for weight in weights:
                weight.grad = torch.randn(weight.shape, generator=random)
            optimizer.step()
    for mine, other in zip(ours, theirs, strict=True):
        moved = (1 - other).norm()
        assert (mine - other).norm() < 0.01 * moved  # bfloat16 is rounded at other places
        assert (mine - 1).norm() > 0.9 * moved
    zeros = orthogonalised(torch.zeros(2, 3, 5))
    assert not zeros.any()


def test_a_saved_model_is_loaded_by_transformers_and_as_a_backbone(tmp_path: Path) -> None:
    ours = MaskedLanguageModel(make_model(CONFIG, 0))
    save_model(ours.config, ours.weights(), tmp_path / "model", {"a": 1})
    sequence = "MKVLAWDEFGHIKLM"
    ids = torch.tensor([[CLS, *(VOCABULARY.index(residue) for residue in sequence), EOS]])
    loaded = EsmForMaskedLM.from_pretrained(tmp_path / "model", dtype=torch.float32)
    for name, weight in ours.weights().items():
        assert torch.equal(loaded.get_parameter(name), weight.half().float()), name
    hidden = loaded.esm(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0, 1:-1]
    backbone = build_backbone(str(tmp_path / "model"), precision="float32")
    assert torch.allclose(backbone.embed([(sequence,)]), hidden, atol=1e-4)
    assert (tmp_path / "model" / "vocab.txt").read_text().split()[4:24] == list(VOCABULARY[4:24])
    assert {*VOCABULARY[4:24]} == {*AMINO_ACIDS}
    assert json.loads((tmp_path / "model" / "config.json").read_text())["model_type"] == "esm"


# Settings and rate


def test_the_rate_warms_up_stays_and_decays() -> None:
    settings = PretrainSettings(
        steps=100, warmup_steps=10, decay_fraction=0.2, learning_rate=1.0, decay_shape="linear"
    )
    start = decay_start(settings, 0.0)
    rates = [rate(settings, step, settings.progress(step, 0, 0.0), start) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9:81] == [1.0] * 72
    assert rates[90] == pytest.approx(0.5)
    assert rates[99] == pytest.approx(0.05)
    rooted = PretrainSettings(steps=100, warmup_steps=10, learning_rate=1.0)
    assert rate(rooted, 85, 0.85, start) == pytest.approx(0.5)


def test_a_run_that_goes_on_late_decays_from_there() -> None:
    settings = PretrainSettings(steps=100)
    assert decay_start(settings, 0.5) == 0.8
    assert decay_start(settings, 0.9) == 0.9
    with pytest.raises(SettingsError, match="already past the end"):
        decay_start(settings, 1.0)


def test_whichever_end_is_nearest_counts() -> None:
    settings = PretrainSettings(steps=100, tokens=1000, minutes=1)
    assert settings.progress(10, 500, 3.0) == 0.5
    assert settings.progress(10, 0, 45.0) == 0.75


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 100, "heads": 3}, "--width 100 is not a multiple of twice --heads 3"),
        ({"batch_tokens": 1000, "micro_tokens": 300}, "--batch-tokens 1000 is not a multiple"),
        ({"learning_rate": float("nan")}, "--learning-rate nan: give a number above 0"),
        ({"decay_fraction": 1.0}, "--decay-fraction 1.0: give a number below 1"),
        ({"steps": 0}, "--steps 0: give 1 or more"),
    ],
)
def test_impossible_settings_are_named(options: dict[str, float], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        PretrainSettings(**options)


def test_a_script_has_the_options_of_the_settings(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser(prog="x")
    for settings in (PretrainSettings, RunOptions):
        add_options(parser, settings)
    assert taken(PretrainSettings, parser.parse_args([])) == PretrainSettings()
    given = parser.parse_args(
        ["--minutes=5", "--decay-shape=linear", "--resume", "--held-out=a.json", "--learning-rate=1e-3"]
    )
    assert taken(PretrainSettings, given) == PretrainSettings(
        minutes=5.0, decay_shape="linear", learning_rate=1e-3
    )
    assert taken(RunOptions, given) == RunOptions(resume=True, held_out=Path("a.json"))
    with pytest.raises(SystemExit):
        parser.parse_args(["--decay-shape", "cosine"])
    with pytest.raises(SystemExit):
        parser.parse_args(["--help"])
    assert "in clusters of 50 % identity" in " ".join(capsys.readouterr().out.split())
