"""The attention diversification loss: against loops over pairs, its gradient, memory, and training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from attention_references import chains_of
from torch import Tensor

import ppi
from heads.base import Head
from heads.build import build_head
from heads.names import ATTENTIONS
from heads.ragged import LIGAND, RECEPTOR, RaggedBatch, Segments
from ppi.errors import SettingsError
from ppi.io.tables import read_complexes
from ppi.models.config import ModelConfig
from ppi.models.folder import load_model
from ppi.prediction.engine import predict_members
from ppi.training.diversification import diversified, row_similarities, row_similarity
from ppi.training.module import head_outputs
from ppi.training.settings import TrainSettings, checked_settings

DIM, HEADS = 16, 4
LENGTHS = [5, 1, 9, 2]
#: Those whose weights training does not change.
FIXED = {"uniform", "random", "linear", "flow", "native-sparse"}
LEARNT = sorted(set(ATTENTIONS) - FIXED)


def made(attention: str = "softmax", **options: Any) -> tuple[Head, ModelConfig]:
    torch.manual_seed(0)
    config = ModelConfig(
        head="hp",
        mixer="attention",
        pooling="mean",
        mixer_options={"attention": attention, "heads": HEADS, "dropout": 0.0, **options},
    )
    return config.build_head(DIM), config


def batch(dtype: torch.dtype = torch.float64) -> RaggedBatch:
    values = torch.randn(sum(LENGTHS), DIM, generator=torch.Generator().manual_seed(1)).to(dtype)
    chains = [chains_of(length) for length in LENGTHS]
    return RaggedBatch.from_units(values, LENGTHS, [0, 0, 1, 1], [LIGAND, RECEPTOR] * 2, chains)


def by_pairs(weights: Tensor) -> float:
    """The mean cosine over heads and all pairs of different rows; a row of zeros is similar to none."""
    cosines = []
    for head in weights.double().tolist():
        for i, row in enumerate(head):
            for j, other in enumerate(head):
                if i != j:
                    norms = np.linalg.norm(row) * np.linalg.norm(other)
                    cosines.append(np.dot(row, other) / norms if norms else 0.0)
    return float(np.mean(cosines))


def similarity(head: Head, config: ModelConfig, given: RaggedBatch) -> Tensor:
    with row_similarities(diversified(head, config)) as found:
        head.all_outputs(given)
    return torch.stack(found).mean()


def test_the_similarity_is_that_of_all_pairs() -> None:
    random = torch.Generator().manual_seed(0)
    weights = torch.rand(3, 7, 7, generator=random, dtype=torch.float64)
    weights[1, 2] = 0
    assert row_similarity(weights).item() == pytest.approx(by_pairs(weights), rel=1e-12)
    assert row_similarity(torch.full((2, 5, 5), 0.2)).item() == pytest.approx(1)
    assert row_similarity(torch.eye(5).expand(2, 5, 5)).item() == 0
    assert row_similarity(weights.bfloat16()).dtype == torch.float32


@pytest.mark.parametrize("name", LEARNT)
def test_a_head_gives_the_mean_over_segments_and_blocks(name: str) -> None:
    head, config = made(name, depth=2)
    head.double().train()
    given = batch()
    found = similarity(head, config, given)
    expected, values = [], given.values
    for block in head.mixer.blocks:
        query, key, _ = block.projected(block.norm(values))
        weights = block.attention.weights(query, key, given.units)
        expected.append(np.mean([by_pairs(each.detach()) for each in weights if each.shape[1] > 1]))
        values = block(values, given.units)
    assert found.item() == pytest.approx(np.mean(expected), rel=1e-9)
    gradients = torch.autograd.grad(
        found, [p for p in head.mixer.parameters() if p.requires_grad], allow_unused=True
    )
    reached = [gradient for gradient in gradients if gradient is not None]
    assert any(gradient.any() for gradient in reached)
    assert all(torch.isfinite(gradient).all() for gradient in reached)


def test_the_gradient_is_that_of_the_pairs() -> None:
    head, config = made()
    head.double().train()
    given = batch()
    weight = head.mixer.blocks[0].projection.weight
    (found,) = torch.autograd.grad(similarity(head, config, given), weight)
    row, column = divmod(int(found.abs().argmax()), DIM)
    ends = []
    for step in (1e-5, -1e-5):
        with torch.no_grad():
            weight[row, column] += step
            ends.append(similarity(head, config, given).item())
            weight[row, column] -= step
    assert found[row, column].item() == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-4)


def test_rows_that_pad_a_batch_do_not_count() -> None:
    head, config = made()
    head.train()
    given = batch(torch.float32)
    exact = similarity(head, config, given).item()
    assert similarity(head, config, given.filled(32)).item() == pytest.approx(exact, rel=1e-6)
    with row_similarities(diversified(head, config)) as found:
        head_outputs(head, given, low=True)
    assert found[0].item() == pytest.approx(exact, rel=0.02)


def test_a_segment_of_one_row_has_no_pairs() -> None:
    head, config = made()
    values = torch.randn(2, DIM)
    alone = RaggedBatch.from_units(values, [1, 1], [0, 0], [LIGAND, RECEPTOR])
    assert similarity(head.train(), config, alone).item() == 0


def test_no_weights_are_kept_for_the_backward_pass() -> None:
    head, config = made("softmax", depth=1)
    rows, sizes = 300, list[int]()
    attention = head.mixer.attentions[0]
    values = torch.randn(rows, DIM)
    segments = Segments.from_lengths([rows])
    query, key, value = (torch.randn(rows, HEADS, DIM // HEADS, requires_grad=True) for _ in range(3))

    def keep(tensor: Tensor) -> Tensor:
        sizes.append(tensor.untyped_storage().nbytes())
        return tensor

    with row_similarities(diversified(head, config)) as found:
        head.mixer(values, segments)  # It tells which segments are real.
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            attention(query, key, value, segments)
    assert len(found) == 2
    assert max(sizes) < rows * rows
    found[1].backward()
    assert query.grad is not None
    assert query.grad.any()


def test_hooks_do_not_outlast_the_block() -> None:
    head, config = made()
    with row_similarities(diversified(head, config)) as found:
        pass
    head.all_outputs(batch(torch.float32))
    assert found == []


@pytest.mark.parametrize("name", sorted(FIXED))
def test_weights_that_training_does_not_change_are_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=f"the attention '{name}' never forms weights or has fixed ones"):
        diversified(*made(name))


def test_a_hybrid_counts_the_blocks_that_learn() -> None:
    head, config = made("uniform", depth=3, standard_layers=[1])
    with row_similarities(diversified(head, config)) as found:
        head.all_outputs(batch(torch.float32))
    assert len(found) == 1


def test_other_mixers_are_refused() -> None:
    config = ModelConfig(head="hp", mixer="convbert")
    with pytest.raises(SettingsError, match="needs a mixer with attention, but the mixer is 'convbert'"):
        diversified(build_head("hp", DIM, "convbert", "mean"), config)
    head, config = made("block-sparse", depth=2, reuse_selection=True)
    with pytest.raises(SettingsError, match=r"with --mixer-options.reuse-selection .* remove one"):
        diversified(head, config)


def test_it_needs_a_loss_of_the_predictions() -> None:
    with pytest.raises(SettingsError, match="losses: diversification alone does not learn pKd; add another"):
        checked_settings({"losses": {"diversification": 1}}, "settings.yaml")
    settings = TrainSettings(losses={"listmle": 2.0, "diversification": 0.5})
    assert settings.label_losses == {"listmle": 2.0}


def settings_of(factor: float, **changes: Any) -> TrainSettings:
    added = {"diversification": factor} if factor else {}
    changed = {"losses": {"mse": 1.0, **added}, "max_epochs": 6, **changes}
    return TrainSettings(
        head="hp",
        mixer="attention",
        pooling="mean",
        mixer_options={"heads": 4, "dropout": 0.0},
        learning_rate=3e-3,
        batch_residues=800,
        **changed,
    )


def test_training_with_it_makes_attention_diverse(table_path: Path, tmp_path: Path) -> None:
    complexes = read_complexes(table_path).complexes[:8]
    found = {}
    for factor in (0.0, 3.0):
        output, settings = tmp_path / str(factor), settings_of(factor, patience=6)
        trained = ppi.train(table_path, output=output, settings=settings, validation_identity=np.zeros(12))
        embedded = batch_of_model(trained.model, complexes)
        head, config = trained.model.head, trained.model.config
        found[factor] = similarity(head, config, embedded).item()
        expected = predict_members(trained.model, complexes).pkd
        assert np.array_equal(predict_members(load_model(output).model, complexes).pkd, expected)
    assert found[3.0] < found[0.0] - 0.05, found


def batch_of_model(model: Any, complexes: Any) -> RaggedBatch:
    from conftest import batch_of

    return batch_of(model.backbone, list(complexes), model.encoding_unit)


@pytest.mark.parametrize("losses", [{"mse": 1.0}, {"listmle": 1.0}], ids=["pieces", "ranking"])
def test_it_is_trained_on_in_pieces(losses: dict[str, float], table_path: Path, tmp_path: Path) -> None:
    # With ranking losses alone, scores still get the scale of pKd.
    settings = settings_of(0, losses={**losses, "diversification": 0.1}, micro_residues=300, max_epochs=20)
    trained = ppi.train(
        table_path, output=tmp_path / "m", settings=settings, validation_identity=np.zeros(12)
    )
    assert trained.manifest["validation"]["rmse"] < 2


def test_an_unfit_mixer_stops_the_training_before_it_starts(table_path: Path, tmp_path: Path) -> None:
    settings = TrainSettings(head="hp", mixer="none", losses={"mse": 1, "diversification": 1})
    with pytest.raises(SettingsError, match="the mixer is 'none'; choose --mixer attention"):
        ppi.train(table_path, output=tmp_path / "m", settings=settings, validation_identity=np.zeros(12))
    assert list(tmp_path.iterdir()) == []
