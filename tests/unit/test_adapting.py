"""The Gaussian process over variants, against dense references and by what must hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, spearmanr

from ppi.complexes import AMINO_ACIDS, Complex
from ppi.effects.mutations import Mutation
from ppi.errors import InputError
from ppi.prediction.adapting import kernel
from ppi.prediction.adapting.adapted import AdaptedComplex
from ppi.prediction.adapting.bounds import with_bounds
from ppi.prediction.adapting.measurements import Measured, measurements
from ppi.prediction.adapting.observed import observe
from ppi.prediction.adapting.one_hot import left_out_ridge, one_hot
from ppi.prediction.adapting.posterior import Posterior
from ppi.prediction.adapting.reading import MEASUREMENTS, read_variants
from ppi.prediction.adapting.reference import medoid, placed_onto
from ppi.prediction.adapting.scales import (
    LEVEL_SD,
    SLOPE,
    Observations,
    Scales,
    covariance,
    fit_scales,
)
from ppi.prediction.adapting.scales import _cost as cost_of
from ppi.prediction.adapting.validation import position_folds, validate
from ppi.prediction.adapting.variants import Variants, joined

WILD = Complex("wild", ("MKVLAWERTY", "GGSTDE"), ("TTYKLMNPQRST",))


class Described:
    """Effects and sites that depend on the mutation alone."""

    crowding = 0.5

    def effects(self, mutations: Sequence[Mutation]) -> np.ndarray:
        return np.array([np.sin(7.0 * item.position + ord(item.mutant)) for item in mutations])

    def sites(self, mutations: Sequence[Mutation]) -> np.ndarray:
        return np.array([[np.cos(item.position), item.chain, len(item.side)] for item in mutations]).reshape(
            -1, 3
        )


def mutated(random: np.random.Generator, name: str, count: int) -> Complex:
    chains = [list(chain) for chain in WILD.chains]
    for _ in range(count):
        chain = chains[random.integers(len(chains))]
        chain[random.integers(len(chain))] = random.choice(list(AMINO_ACIDS))
    first, second, third = ("".join(chain) for chain in chains)
    return Complex(name, (first, second), (third,))


@pytest.fixture
def complexes() -> list[Complex]:
    random = np.random.default_rng(0)
    items = [mutated(random, f"v{number}", int(random.integers(0, 4))) for number in range(40)]
    return list({(item.ligand, item.receptor): item for item in items}.values())


@pytest.fixture
def variants(complexes: list[Complex]) -> Variants:
    return Variants.of(WILD, complexes, Described())


def observations_of(values: np.ndarray) -> Observations:
    return Observations(values, np.full(len(values), np.nan), np.ones(len(values)))


def values_of(variants: Variants) -> np.ndarray:
    random = np.random.default_rng(1)
    own = random.normal(size=variants.members.shape[1])
    return 8 + variants.effect + variants.members @ own + 0.1 * random.normal(size=len(variants))


def test_variants_are_those_mutations(complexes: list[Complex], variants: Variants) -> None:
    for item, row in zip(complexes, variants.members.toarray(), strict=True):
        before, after = "".join(WILD.chains), "".join(item.chains)
        expected = {
            (place, new) for place, (old, new) in enumerate(zip(before, after, strict=True)) if old != new
        }
        found = {
            (int(variants.singles.position[column]), AMINO_ACIDS[variants.singles.mutant[column]])
            for column in np.flatnonzero(row)
        }
        assert found == expected


def test_effects_of_several_mutations_crowd(variants: Variants) -> None:
    summed = variants.members @ variants.singles.effect
    assert np.allclose(variants.effect, summed / np.sqrt(np.maximum(1, variants.counts)))


def test_each_term_is_a_covariance(variants: Variants) -> None:
    for name, term in zip(kernel.TERMS, kernel.grams(variants, variants), strict=True):
        assert np.allclose(term, term.T), name
        assert np.linalg.eigvalsh(term).min() > -1e-8, name


def test_covariance_in_parts_is_the_sum_of_terms(variants: Variants) -> None:
    weights = np.arange(1, len(kernel.TERMS) + 1) / 10
    first, second = variants.rows(slice(0, 12)), variants.rows(slice(12, None))
    terms = kernel.grams(first, second)
    whole = np.tensordot(weights, terms, axes=1)
    of_singles = kernel.towards(first.singles, second, weights)
    assert np.allclose(kernel.between(first, second, of_singles, weights), whole)
    own = np.tensordot(weights, kernel.grams(first, first), axes=1)
    assert np.allclose(kernel.diagonal(first, weights), np.diag(own))


def test_terms_of_two_mutations() -> None:
    pair = [
        Complex("a", ("AKVLAWERTY", "GGSTDE"), WILD.receptor),
        Complex("b", ("CKVLAWERTY", "GGSTDE"), WILD.receptor),
        Complex("c", ("MKVLAWERTA", "GGSTDE"), WILD.receptor),
    ]
    items = Variants.of(WILD, pair, Described())
    terms = dict(zip(kernel.TERMS, kernel.grams(items, items), strict=True))
    assert terms["position"][0].tolist() == [1, 1, 0]
    assert terms["residue"][0].tolist() == [1, 0, 0]
    assert 0 < terms["chemistry"][0, 1] < 1
    assert terms["chemistry"][0, 2] == 0
    assert 0 < terms["exchange"][0, 2] < 1
    assert terms["own"].tolist() == np.eye(3).tolist()


def test_predictions_equal_a_dense_reference(variants: Variants) -> None:
    values = values_of(variants)
    known, queries = variants.rows(slice(0, 25)), variants.rows(slice(25, None))
    scales = Scales.usual()
    mean, variance = Posterior(known, observations_of(values[:25]), scales).predict(queries)
    every = LEVEL_SD**2 + np.tensordot(scales.weights, kernel.grams(variants, variants), axes=1)
    among = every[:25, :25] + scales.noise**2 * np.eye(25)
    level = (values[:25] - SLOPE * known.effect).mean()
    towards = every[25:, :25] @ np.linalg.inv(among)
    assert np.allclose(
        mean, level + SLOPE * queries.effect + towards @ (values[:25] - level - SLOPE * known.effect)
    )
    assert np.allclose(variance, np.diag(every[25:, 25:] - towards @ every[:25, 25:]))


def test_the_slope_of_the_cost_is_its_derivative(variants: Variants) -> None:
    values = values_of(variants)
    seen = replace(observations_of(values), squares=0.3, freedom=4)
    terms = kernel.grams(variants, variants)
    residual = values - values.mean()
    logs = np.log([*Scales.usual().terms, 0.4])

    def cost(at: np.ndarray) -> tuple[float, np.ndarray]:
        return cost_of(terms, residual, seen, Scales(np.exp(at[:-1]), float(np.exp(at[-1]))))

    _, slope = cost(logs)
    for number in range(len(logs)):
        step = 1e-5 * np.eye(len(logs))[number]
        assert slope[number] == pytest.approx((cost(logs + step)[0] - cost(logs - step)[0]) / 2e-5, rel=1e-4)


def test_scales_follow_the_measurements(variants: Variants) -> None:
    terms = kernel.grams(variants, variants)
    quiet, loud = (
        fit_scales(
            terms,
            variants.effect,
            observations_of(
                8 + variants.effect + spread * np.random.default_rng(2).normal(size=len(variants))
            ),
        )
        for spread in (0.05, 1.5)
    )
    assert quiet.noise < loud.noise
    assert (quiet.terms[:6] < loud.terms[:6] + 1e-9).all()


def test_left_out_in_closed_form_equals_refitting(variants: Variants) -> None:
    values = values_of(variants)
    posterior = Posterior(variants, observations_of(values), Scales.usual())
    groups = [np.array([0, 5, 9]), np.array([2, 3])]
    single, single_variance = posterior.left_out()
    together, together_variance = posterior.left_out(groups)
    scales = posterior.scales
    every = covariance(kernel.grams(variants, variants), scales.weights)
    residual = values - posterior.level - SLOPE * variants.effect
    for out, mean, variance in (
        (np.array([4]), single, single_variance),
        (groups[0], together, together_variance),
        (groups[1], together, together_variance),
    ):
        kept = np.setdiff1d(np.arange(len(values)), out)
        among = every[np.ix_(kept, kept)] + scales.noise**2 * np.eye(len(kept))
        towards = every[np.ix_(out, kept)] @ np.linalg.inv(among)
        expected = posterior.level + SLOPE * variants.effect[out] + towards @ residual[kept]
        spread = np.diag(every[np.ix_(out, out)] - towards @ every[np.ix_(kept, out)]) + scales.noise**2
        assert np.allclose(mean[out], expected)
        assert np.allclose(variance[out], spread)
    assert np.isnan(together[1])


def test_draws_have_the_moments_of_the_prediction(variants: Variants) -> None:
    known, queries = variants.rows(slice(0, 20)), variants.rows(slice(10, None))
    posterior = Posterior(known, observations_of(values_of(variants)[:20]), Scales.usual())
    mean, variance = posterior.predict(queries)
    drawn = posterior.sample(queries, 20_000, seed=0)
    assert np.abs(drawn.mean(axis=0) - mean).max() < 0.04
    assert np.abs(drawn.std(axis=0) / np.sqrt(variance) - 1).max() < 0.04
    assert np.array_equal(drawn[:5], posterior.sample(queries, 20_000, seed=0)[:5])


def test_draws_are_joint(variants: Variants) -> None:
    twice = joined(variants.rows(slice(0, 3)), variants.rows(slice(0, 3)))
    posterior = Posterior(
        variants.rows(slice(3, None)), observations_of(values_of(variants)[3:]), Scales.usual()
    )
    drawn = posterior.sample(twice, 50, seed=1)
    assert np.allclose(drawn[:, :3], drawn[:, 3:])


def test_a_bound_gives_the_moments_of_a_truncated_normal() -> None:
    seen = Observations(np.array([0.0, 1.0]), np.array([np.nan, 1.0]), np.ones(2))
    prior, noise = np.array([[2.0, 0.0], [0.0, 3.0]]), 0.5
    found = with_bounds(prior, np.zeros(2), seen, np.array([0, -1]), np.array([0.0, 1.0]), noise)
    variance = 1 / (1 / 3.0 + 1 / found.variance[1])
    mean = variance * found.value[1] / found.variance[1]
    grid = np.linspace(-12, 12, 200_001)
    weight = norm.pdf(grid, 0, np.sqrt(3.0)) * norm.cdf((1 - grid) / noise)
    weight /= weight.sum()
    expected = (grid * weight).sum()
    assert mean == pytest.approx(expected, abs=1e-4)
    assert variance == pytest.approx(((grid - expected) ** 2 * weight).sum(), abs=1e-4)
    assert found.value[0] == 0
    assert np.isnan(found.variance[0])


def test_bounds_are_worth_more_than_their_absence(variants: Variants) -> None:
    values = values_of(variants)
    low = values < np.quantile(values, 0.3)
    cut = np.where(low, np.quantile(values, 0.3), values)
    side = np.where(low, -1, 0)
    seen = Observations(cut, np.where(low, 1.0, np.nan), np.ones(len(cut)))
    posterior = Posterior.fit(variants, seen, side)
    exact = Posterior.fit(
        variants.rows(np.flatnonzero(~low)), observations_of(values[~low]), np.zeros((~low).sum())
    )
    with_, without = (each.predict(variants.rows(np.flatnonzero(low)))[0] for each in (posterior, exact))
    assert np.abs(with_ - values[low]).mean() < np.abs(without - values[low]).mean()


def measured_of(
    complexes: list[Complex], value: Sequence[float], side: Sequence[int] | None = None
) -> Measured:
    sides = np.zeros(len(value), dtype=int) if side is None else np.array(side)
    return Measured(complexes, np.array(value, dtype=float), sides, np.array([""] * len(value)), "pkd", 0)


def test_replicates_are_averaged_and_tell_of_the_noise(complexes: list[Complex]) -> None:
    items = [complexes[0], complexes[1], complexes[0], complexes[2], complexes[0]]
    found = observe(items, measured_of(items, [7.0, 8.0, 7.6, 6.0, 6.0], [0, 0, 0, 0, -1]))
    assert found.value.tolist() == [7.3, 8.0, 6.0]
    assert found.replicates.tolist() == [2, 1, 1]
    assert found.squares == pytest.approx(0.18)
    assert found.freedom == 1


def test_of_several_bounds_the_tightest_counts(complexes: list[Complex]) -> None:
    items = [complexes[0], complexes[0], complexes[1], complexes[1], complexes[2], complexes[3]]
    found = observe(items, measured_of(items, [5, 6, 9, 8, 7, 7.5], [-1, -1, 1, 1, 0, 0]))
    assert found.value.tolist() == [5, 9, 7, 7.5]
    assert found.side.tolist() == [-1, 1, 0, 0]


def test_noise_is_learnt_from_replicates(variants: Variants) -> None:
    seen = observations_of(values_of(variants))
    terms = kernel.grams(variants, variants)
    noises = [
        fit_scales(terms, variants.effect, replace(seen, squares=50 * noise**2, freedom=50)).noise
        for noise in (0.1, 1.0)
    ]
    assert noises == pytest.approx([0.1, 1.0], rel=0.2)


@pytest.mark.parametrize(
    ("value", "side", "message"),
    [
        ([7.0, 7.0, 7.0], [0, 0, 0], "all 3 measured values are 7"),
        ([7.0, 6.0, 5.0], [-1, -1, 1], "only a bound"),
        ([7.0, 6.0, 5.0], [0, -1, 1], "1 variant has a measured value"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(
    complexes: list[Complex], value: list[float], side: list[int], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        observe(complexes[:3], measured_of(complexes[:3], value, side))


def test_ridge_left_out_in_closed_form_equals_refitting(variants: Variants) -> None:
    from sklearn.linear_model import Ridge, RidgeCV
    from sklearn.model_selection import LeaveOneOut, cross_val_predict

    from ppi.prediction.adapting.one_hot import PENALTIES

    features, values = one_hot(variants), values_of(variants)
    penalty = RidgeCV(PENALTIES).fit(features, values).alpha_
    expected = cross_val_predict(Ridge(penalty), features, values, cv=LeaveOneOut())
    assert np.allclose(left_out_ridge(variants, values), expected)


def test_position_folds_hold_whole_positions(variants: Variants) -> None:
    fold = position_folds(variants)
    singles = variants.counts == 1
    for position in np.unique(variants.singles.position):
        column = variants.members @ (variants.singles.position == position).astype(float)
        assert len(set(fold[singles & (column > 0)])) <= 1
    assert set(fold[variants.counts == 0]) <= {-1}


def adapted_to(complexes: list[Complex], values: np.ndarray) -> AdaptedComplex:
    return AdaptedComplex(WILD, observe(complexes, measured_of(complexes, values.tolist())), Described())


def test_an_adapted_model_ranks_and_covers() -> None:
    random = np.random.default_rng(3)
    items = [mutated(random, f"v{number}", int(random.integers(1, 3))) for number in range(400)]
    items = list(
        {(item.ligand, item.receptor): item for item in items if item.chains != WILD.chains}.values()
    )
    values = values_of(Variants.of(WILD, items, Described()))
    model = adapted_to(items[:150], values[:150])
    table = model.table(items[150:])
    truth = values[150:]
    assert spearmanr(table["pkd"], truth).statistic > 0.5
    inside = ((table["pkd_lower"] < truth) & (truth < table["pkd_upper"])).mean()
    assert 0.8 < inside < 0.97
    assert table["rank"].min() == 1
    assert table["pkd"].idxmax() == table["rank"].idxmin()
    scores = validate(model.posterior, model.observed, model.widening)
    assert scores.left_out[0].spearman > scores.left_out[1].spearman
    assert scores.left_out[0].rmse < scores.left_out[3].rmse
    assert [size for size, _ in scores.curve] == [8, 16, 24, 48, 96]


def test_the_unit_of_a_score_changes_nothing_else(complexes: list[Complex], variants: Variants) -> None:
    values = values_of(variants)
    small, large = (
        AdaptedComplex(
            WILD,
            observe(complexes, replace(measured_of(complexes, (factor * values).tolist()), column="score")),
            Described(),
        )
        for factor in (1.0, 1000.0)
    )
    one, other = (model.predict(complexes) for model in (small, large))
    assert np.allclose(1000 * one[0], other[0], rtol=1e-3)
    assert np.allclose(1000 * one[1], other[1], rtol=1e-2)


def test_the_reference_is_the_medoid(complexes: list[Complex]) -> None:
    assert medoid([*complexes, WILD]).chains == WILD.chains


def test_missing_ends_make_no_difference() -> None:
    chain = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSG"
    wild = Complex("w", (chain,), ("GGSTDEKLMN",))
    shorter = Complex("s", (chain[3:].replace("QAP", "QGP"),), ("GGSTDEKLMN",))
    assert placed_onto([shorter], wild)[0].ligand == (chain.replace("QAP", "QGP"),)
    with pytest.raises(InputError, match="insertions and deletions are not handled"):
        placed_onto([Complex("i", (chain[:20] + "GGG" + chain[20:],), wild.receptor)], wild)
    with pytest.raises(InputError, match=r"'o'.*no substitution variants of the reference 'w'.*'target'"):
        placed_onto([Complex("o", (chain[::-1],), wild.receptor)], wild)
    with pytest.raises(InputError, match="other numbers of chains"):
        placed_onto([Complex("t", (chain, chain), wild.receptor)], wild)


def frame(**columns: object) -> pd.DataFrame:
    return pd.DataFrame({"id": ["a", "b"], "ligand": "MKVLAW", "receptor": ["TTYK", "TTYA"], **columns})


def test_marks_of_bounds() -> None:
    marks = {"censored": [">", "<"]}
    for column in ("pkd", "ddg_kcal_mol"):
        found = measurements(read_variants(frame(**{column: [7.0, 8.0]}, **marks), None))
        assert found.side.tolist() == [-1, 1]
    assert measurements(read_variants(frame(score=[7.0, 8.0], **marks), None)).side.tolist() == [1, -1]
    assert measurements(read_variants(frame(ddg_kcal_mol=[1.0, 2.0]), None)).value.tolist() == [-1, -2]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({}, "no measured values"),
        ({"pkd": [7, 8], "score": [1, 2]}, "pkd and score; say with --value"),
        ({"score": ["high", 1]}, "the table, row 1, id 'a': score is 'high'"),
        ({"kd": [2, 1]}, "the columns are id, ligand, receptor, kd. The column 'kd' is not read.*'Kd .nM.'"),
        (
            {"pkd": [7, 8], "Kd (nM)": [100, 10], "score": [1, 2]},
            r"values in pkd and Kd \(nM\) and score; say",
        ),
        ({"score": [1, 2], "censored": ["", "?"]}, r"censored holds '\?'"),
        ({"kd_molar": [0.05, 1e-8]}, "Kd above 10 mmol/L.*'a'.*nmol/L"),
        ({"score": [1, 2], "target": ["x", None]}, "'b' has no target"),
    ],
)
def test_wrong_tables_are_refused(columns: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        measurements(read_variants(frame(**columns), None))


#: Names by which lower values mean stronger binding, and names by which they do not.
LOWER = (
    *("kd", "KD", "Kd_app (nM)", "kd nM mean", "log10 Kd", "K_D", "Ki (nM)", "ki", "IC50", "rel. EC50_uM"),
    *("koff", "k_off (1/s)", "kdis", "off rate", "IC90", "Dissociation constant", "ddG", "dG", "delta G"),
    "\u0394\u0394G",
)
HIGHER = (
    *("signal", "pKi", "pIC50", "-log Kd", "neg_log_kd", "1/Kd", "kinetics", "kon", "KA", "enrichment"),
    *("peak intensity", "Tm", "fold improvement IC50"),
)


@pytest.mark.parametrize("name", LOWER)
def test_a_value_of_which_lower_is_stronger_is_refused(name: str) -> None:
    table = read_variants(frame(**{name: [1.0, 2.0]}), None)
    with pytest.raises(InputError, match="lower values of the column .* mean stronger") as caught:
        measurements(table, name)
    energy = name.lower().endswith("g")
    assert ("ddg_kcal_mol" if energy else "'Kd (nM)'") in str(caught.value)
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize("name", HIGHER)
def test_any_other_value_is_a_score(name: str) -> None:
    table = read_variants(frame(**{name: [1.0, 2.0]}), None)
    assert measurements(table, name).value.tolist() == [1, 2]


@pytest.mark.parametrize("column", ["Kd (nM)", "KD_nM", "kd [nM]"])
def test_a_kd_with_a_unit_is_read_as_such_by_its_name(column: str) -> None:
    table = read_variants(frame(**{column: [100.0, 10.0], "score": [1, 2]}), None)
    for name in (column, "Kd (nM)", "pkd"):
        found = measurements(table, name)
        assert (found.column, found.value.tolist()) == ("pkd", [7.0, 8.0])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            "afinity",
            "no column 'afinity'; did you mean affinity.*columns are id, ligand, receptor, affinity, Kd",
        ),
        ("kd (NM)", r"the column 'Kd \(nM\)' holds no measured values; give"),
        ("id", "the column 'id' holds no measured values"),
    ],
)
def test_a_value_that_cannot_be_read_is_called_as_in_the_file(value: str, message: str) -> None:
    table = read_variants(frame(**{"affinity": [1, 2], "Kd (nM)": [None, None]}), None)
    assert measurements(table, "Affinity").column == "affinity"
    with pytest.raises(InputError, match=message):
        measurements(table, value)


def test_rows_of_mutants_are_counted_as_in_the_file(tmp_path: Path) -> None:
    from ppi.io.tables import table_of

    wild = table_of([Complex("w", ("MKVLAW",), ("TTYA",))])
    path = tmp_path / "in.csv"
    path.write_text("mutant,Kd (nM),note\nWT,1,\n,,\nK2A,n.d.,\n")
    with pytest.raises(InputError, match=r"in.csv, row 3, id 'K2A': Kd \(nM\) is 'n.d.'; give a finite"):
        read_variants(path, wild)
    path.write_text("mutant,signal\nWT,1\n,\nK2A,low\n")
    table = read_variants(path, wild)
    assert [item.id for item in table.complexes] == ["WT", "K2A"]
    with pytest.raises(InputError, match=r"in.csv, row 3, id 'K2A': signal is 'low'"):
        measurements(table, "signal")
    with pytest.raises(InputError, match=r"in.csv: .* the columns are mutant, signal\. To learn"):
        measurements(table)
    path.write_text("")
    with pytest.raises(
        InputError, match=r"the file is empty; give columns .* or a column mutant .*Kd \(nM\)"
    ):
        read_variants(path, wild, forms=MEASUREMENTS)


def test_tables_that_were_concatenated_are_read() -> None:
    from ppi.io.tables import table_of

    part = pd.DataFrame({"mutant": ["WT", "K2A"], "score": [1, 2]}, index=["a", "b"])
    wild = table_of([Complex("w", ("MKVLAW",), ("TTYA",))])
    found = read_variants(pd.concat([part, part]), wild)
    assert [item.id for item in found.complexes] == ["WT", "K2A", "WT (2)", "K2A (2)"]
    assert measurements(found).value.tolist() == [1, 2, 1, 2]


def test_complexes_without_a_file_are_described_by_what_they_have(complexes: list[Complex]) -> None:
    from ppi.io.tables import table_of

    with pytest.raises(
        InputError, match="the table: there are no .* the columns are id, ligand, receptor. To"
    ):
        measurements(table_of(complexes))
    known = table_of([replace(item, pkd=8.0) for item in complexes])
    assert measurements(known, "pKd").column == "pkd"


def test_mutants_of_a_wild_type_and_repeated_ids() -> None:
    from ppi.io.tables import table_of

    table = pd.DataFrame({"mutant": ["WT", "ligand:1:K2A", "K2A", None], "score": [1, 2, 3, 4]})
    wild = Complex("w", ("MKVLAW",), ("TTYA",))
    found = read_variants(table, table_of([wild]))
    assert [item.id for item in found.complexes] == ["WT", "ligand:1:K2A", "K2A", "wild type"]
    assert [item.ligand[0][1] for item in found.complexes] == ["K", "A", "A", "K"]
    again = read_variants(frame(score=[1, 2]).assign(id="a"), None)
    assert [item.id for item in again.complexes] == ["a", "a (2)"]
    with pytest.raises(InputError, match=r"row 2: .*K3A"):
        read_variants(pd.DataFrame({"mutant": ["WT", "K3A"]}), table_of([wild]))
    with pytest.raises(InputError, match="no wild type is given"):
        read_variants(table, None)
    with pytest.raises(InputError, match="it has the columns variant, score; .* or by a column mutant"):
        read_variants(table.rename(columns={"mutant": "variant"}), table_of([wild]))
