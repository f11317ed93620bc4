"""What is suggested next: pools, liabilities, acquisitions, batches, plates."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from known_surrogate import KnownSurrogate

from ppi.complexes import Complex
from ppi.effects.mutations import apply_mutations, parse_mutation
from ppi.errors import InputError, ModelError
from ppi.prediction.scanning.labels import label_chains
from ppi.prediction.suggesting.acquisition import expected_improvement, upper_bound
from ppi.prediction.suggesting.batch import (
    by_improvement,
    by_upper_bound,
    choose_batch,
    one_a_draw,
    short_list,
)
from ppi.prediction.suggesting.liabilities import MEANINGS, MOTIFS, check_liabilities, new_liability
from ppi.prediction.suggesting.library import library_size, library_variants
from ppi.prediction.suggesting.plate import check_fits, well_names
from ppi.prediction.suggesting.suggest import Suggestion, suggest
from ppi.prediction.suggesting.summary import summary_text
from ppi.prediction.suggesting.table import COLUMNS

#: Has a glycosylation site (N3), a pair of cysteines, deamidation (N11) and isomerisation (D14).
LIGAND = "AKNVTCWECLNGKDGANAS"
WILD = Complex("mine", (LIGAND, "MKTWY"), ("EVQLARND",))
ALL = tuple(MOTIFS)


def mutant(*texts: str) -> Complex:
    return apply_mutations(WILD, [parse_mutation(text, WILD) for text in texts])


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (("ligand:1:A16N",), None),  # N-N-A-S: N17 has a sequon already, N16 gets none
        (("ligand:1:V4S",), "weak-deamidation"),
        (("ligand:1:K2N", "ligand:1:V4S"), "glycosylation"),
        (("ligand:1:T5S",), None),
        (("ligand:1:V4P",), None),
        (("ligand:1:S19T",), None),
        (("receptor:1:A5C",), "cysteine"),
        (("ligand:1:C6A",), "cysteine"),
        (("ligand:1:C6A", "ligand:1:C9S"), None),
        (("ligand:1:A18G",), "deamidation"),
        (("ligand:1:N11D",), "isomerisation"),
        (("ligand:1:K13N",), None),
        (("ligand:1:K2M",), "oxidation"),
        (("ligand:1:A18S",), "weak-deamidation"),
        (("ligand:1:G15S",), "weak-isomerisation"),
        (("receptor:1:E1A",), None),
    ],
)
def test_a_liability_counts_where_it_is_new(texts: tuple[str, ...], kind: str | None) -> None:
    assert new_liability(WILD, mutant(*texts), ALL) == kind


def test_liabilities_that_are_not_listed_do_not_count() -> None:
    assert new_liability(WILD, mutant("receptor:1:A5C"), ("glycosylation",)) is None
    assert new_liability(WILD, WILD, ALL) is None
    assert check_liabilities(["cysteine", "glycosylation", "cysteine"]) == ("glycosylation", "cysteine")
    assert MEANINGS.keys() == MOTIFS.keys()
    with pytest.raises(InputError, match=r"no liability 'sugar'; the liabilities are glycosylation, cyst"):
        check_liabilities(["sugar"])


def test_a_library_has_every_combination_once() -> None:
    labels = label_chains(WILD, {})
    texts = ("ligand:1:1-2=AKR", "receptor:1:5=de")
    variants = library_variants(texts, WILD, labels)
    # A1: A, K, R; K2: A, K, R; A5: A, D, E: 27 combinations but the wild type.
    assert len(variants) == len(set(variants)) == 26
    assert {len(variant) for variant in variants} == {1, 2, 3}
    found = {"".join((item.ligand[0][:2], item.receptor[0][4])) for item in map_all(variants)}
    assert found == {"".join(each) for each in product("AKR", "AKR", "ADE")} - {"AKA"}
    assert all(list(variant) == sorted(variant) for variant in variants)
    singles = library_variants(texts, WILD, labels, most_mutations=1)
    assert [len(variant) for variant in singles] == [1] * 6
    assert len(library_variants(("ligand:1:1=K", "ligand:1:1=R"), WILD, labels)) == 2


def map_all(variants: list) -> list[Complex]:
    return [apply_mutations(WILD, variant) for variant in variants]


@pytest.mark.parametrize("most", [1, 2, 3, 4])
def test_the_size_of_a_library_is_counted_without_making_it(most: int) -> None:
    choices = [3, 1, 19, 2]
    made = sum(0 < sum(map(bool, each)) <= most for each in product(*(range(count + 1) for count in choices)))
    assert library_size(choices, most) == made


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (("ligand:1:1=AJ",), r"'ligand:1:1=AJ': 'J' is not an amino acid"),
        (("ligand:1:1=A,K",), r"',' is not an amino acid"),
        (("ligand:1:1",), r"'ligand:1:1' is no position of a library; write ligand:1:57=AKR"),
        (("ligand:1:1=",), r"is no position of a library"),
        (("ligand:1:99=A",), r"is no position of ligand chain 1; it has 19 residues"),
        (("ligand:3:1=A",), r"the ligand has 2 chain\(s\)"),
        (("ligand:1:1=A", "ligand:1:2=K"), r"the library holds the wild type alone"),
        (
            ("ligand:1:1-6=ACDEFGHIKLMNPQRSTVWY",),
            r"the library has 63,999,999 variants of up to 6 mutations; at most 1,000,000",
        ),
    ],
)
def test_a_library_that_cannot_be_is_one_error(texts: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        library_variants(texts, WILD, label_chains(WILD, {}))


def test_an_unknown_residue_is_not_mutated() -> None:
    unknown = Complex("unknown", ("AXA",), ("W",))
    with pytest.raises(InputError, match=r"residue 2 of the ligand chain 1 is unknown \(X\)"):
        library_variants(("ligand:1:2=A",), unknown, label_chains(unknown, {}))


def test_wells_go_column_by_column() -> None:
    small, large = well_names(96), well_names(384)
    assert small[:9] == ["A1", "B1", "C1", "D1", "E1", "F1", "G1", "H1", "A2"]
    assert (small[-1], large[15], large[16], large[-1]) == ("H12", "P1", "A2", "P24")
    assert (len(set(small)), len(set(large))) == (96, 384)
    check_fits(94, 2, 96)
    with pytest.raises(InputError, match=r"95 variants and 2 controls do not fit .* 94, or a plate of 384"):
        check_fits(95, 2, 96)
    with pytest.raises(
        InputError, match=r"385 variants does not fit on a plate of 384 wells; .*at most 384$"
    ):
        check_fits(385, 0, 384)
    with pytest.raises(InputError, match=r"plate of 24 wells is not known; give 96 or 384"):
        well_names(24)
    with pytest.raises(InputError, match=r"size of the batch is 0"):
        check_fits(0, 0, 96)


def test_expected_improvement_and_bound_are_those_of_the_normal_distribution() -> None:
    draws = np.random.default_rng(0).normal(1.0, 2.0, 400_000)
    (score,) = expected_improvement(np.array([1.0]), np.array([2.0]), 1.5)
    assert score == pytest.approx(np.maximum(draws - 1.5, 0).mean(), abs=0.01)
    certain = expected_improvement(np.array([1.0, 3.0]), np.zeros(2), 2.0)
    assert certain == pytest.approx([0.0, 1.0])
    assert upper_bound(np.array([1.0]), np.array([2.0])) == pytest.approx([5.0])


def test_a_copy_of_a_chosen_column_is_worth_nothing() -> None:
    random = np.random.default_rng(0)
    best, other = random.normal(1.0, 1.0, 4000), random.normal(0.5, 1.0, 4000)
    draws = np.column_stack([best, best + 1e-6, other])
    numbers, gains = by_improvement(draws, 3, np.zeros(4000))
    assert numbers.tolist() == [1, 2, 0]
    assert gains[0] == pytest.approx(expected_improvement(np.ones(1), np.ones(1), 0.0)[0], abs=0.05)
    assert gains[1] > 0.1
    assert gains[2] == 0


def test_a_bound_falls_once_a_copy_is_known() -> None:
    random = np.random.default_rng(0)
    mean, std = np.array([1.0, 1.01, 0.5, 2.4]), np.array([1.0, 1.0, 1.0, 0.0])
    normal = random.normal(size=(4000, 3))
    draws = mean + std * normal[:, [0, 0, 1, 2]]
    numbers, values = by_upper_bound(draws, mean, 4)
    assert numbers.tolist() == [1, 2, 3, 0]
    # The bound of the fourth, a copy of the first, is its mean: nothing is left to learn.
    assert values == pytest.approx([3.01, 2.5, 2.4, 1.0], abs=0.05)


def test_knowing_a_part_leaves_the_rest_unknown() -> None:
    normal = np.random.default_rng(0).normal(size=(4000, 2))
    draws = np.column_stack([3 * normal[:, 0], 3 * normal[:, 0] + normal[:, 1]])
    _, values = by_upper_bound(draws, np.zeros(2), 2)
    # Of N(0, 9), after the sum of it and N(0, 1) is known, 9 - 81 / 10 is left.
    assert values == pytest.approx([2 * 10**0.5, 2 * 0.9**0.5], rel=0.05)


def test_each_draw_takes_its_best_free_column() -> None:
    draws = np.array([[1.0, 3.0, 2.0], [0.0, 9.0, 5.0], [7.0, 1.0, 8.0]])
    numbers, values = one_a_draw(draws)
    assert numbers.tolist() == [1, 2, 0]
    assert values.tolist() == [3.0, 5.0, 7.0]


@pytest.fixture
def surrogate() -> KnownSurrogate:
    effects = {
        "ligand:1:A1K": (2.0, 0.1),
        "ligand:1:A1R": (-3.0, 0.1),
        "ligand:1:K2R": (0.0, 3.0),
        "receptor:1:E1D": (0.5, 0.01),
    }
    return KnownSurrogate(WILD, effects, {"": 5.0, "ligand:1:A1W": 5.5, "ligand:1:K2W": 4.0})


def run(model: KnownSurrogate, **options: object) -> Suggestion:
    given = {"library": ("ligand:1:1=KR", "ligand:1:2=R", "receptor:1:1=D"), "size": 3, **options}
    return suggest(model, given.pop("pool", None), **given)


def test_the_best_of_a_library_comes_first(surrogate: KnownSurrogate) -> None:
    found = run(surrogate)
    table = found.table
    assert list(table.columns) == list(COLUMNS)
    assert table["well"].tolist() == ["A1", "B1", "C1"]
    first = table.iloc[0]
    assert first["mutant"] == "ligand:1:A1K+ligand:1:K2R+receptor:1:E1D"
    assert first["ligand"] == "KR" + LIGAND[2:] + ":MKTWY"
    assert first["receptor"] == "DVQLARND"
    std = np.sqrt(0.1**2 + 3**2 + 0.01**2)
    assert first["predicted"] == pytest.approx(7.5)
    assert first["predicted_upper"] - 7.5 == pytest.approx(2 * std)
    assert first["reason"].startswith(
        "highest expected improvement: predicted score 7.50 (1.50 to 13.50), best "
    )
    # The second hedges: without the uncertain K2R, which decides between the first and its neighbours.
    assert table.iloc[1]["mutant"] == "ligand:1:A1K+receptor:1:E1D"
    assert table["acquisition"].is_monotonic_decreasing
    assert (found.pool, found.removed, found.best_value) == (11, {}, 5.5)


def test_a_batch_is_not_the_best_variants_one_by_one(surrogate: KnownSurrogate) -> None:
    """All variants with the uncertain K2R tell the same: by themselves they would fill the batch."""
    found = run(surrogate, size=2)
    candidates = map_all(
        library_variants(("ligand:1:1=KR", "ligand:1:2=R", "receptor:1:1=D"), WILD, label_chains(WILD, {}))
    )
    mean, std = surrogate.predict(candidates)
    alone = short_list("expected-improvement", mean, std, 5.5, 2)[:2]
    assert all("K2R" in candidates[number].id for number in alone)
    assert found.table["mutant"].str.contains("K2R").tolist() == [True, False]


@pytest.mark.parametrize("by", ["expected-improvement", "upper-bound", "thompson"])
def test_the_seed_decides_and_no_variant_comes_twice(surrogate: KnownSurrogate, by: str) -> None:
    options = {"library": (), "by": by, "size": 40}
    one, same, other = (run(surrogate, seed=seed, **options).table for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one, same)
    assert one["mutant"].tolist() != other["mutant"].tolist()
    assert one["mutant"].is_unique
    assert not set(one["mutant"]) & {"", "ligand:1:A1W", "ligand:1:K2W"}
    assert "ligand:1:K2R" in one["mutant"].tolist()


def test_thompson_sampling_rarely_takes_what_is_known_to_be_bad(surrogate: KnownSurrogate) -> None:
    found = run(surrogate, library=("ligand:1:1=KR", "receptor:1:1=D"), by="thompson", size=2)
    assert not found.table["mutant"].str.contains("A1R").any()
    assert found.table["reason"].iloc[1].startswith("best free variant of posterior draw 2: predicted score")


def test_reasons_say_what_is_new(surrogate: KnownSurrogate) -> None:
    reasons = run(surrogate, size=11).table.set_index("mutant")["reason"]
    assert reasons["ligand:1:K2R"].endswith("has ligand:1:K2R, a new residue at a measured position")
    assert reasons["receptor:1:E1D"].endswith("explores position receptor:1:1, not yet measured")
    assert "no draw is better than the variants above" in reasons["ligand:1:A1R"]
    both = run(surrogate, library=("ligand:1:1=W", "ligand:1:2=W"), size=1).table
    assert both["reason"].iloc[0].endswith("combines measured mutations")


def test_what_is_left_out_is_counted_once(surrogate: KnownSurrogate) -> None:
    pool = [
        mutant("ligand:1:A1K"),
        Complex("again", mutant("ligand:1:A1K").ligand, WILD.receptor),
        Complex("wild", WILD.ligand, WILD.receptor),
        mutant("ligand:1:A1W"),
        mutant("ligand:1:A1K", "ligand:1:K2R", "receptor:1:E1D"),
        mutant("receptor:1:A5C"),
        mutant("ligand:1:A18G"),
        Complex("good", mutant("receptor:1:E1D").ligand, mutant("receptor:1:E1D").receptor),
    ]
    options = {"library": (), "pool": pool, "avoid": ("deamidation", "cysteine"), "most_mutations": 2}
    found = run(surrogate, size=2, **options)
    assert set(found.table["id"]) == {"mine ligand:1:A1K", "good"}
    assert found.removed == {
        "repeated in the pool": 1,
        "the reference itself": 1,
        "already measured": 1,
        "more than 2 mutation(s)": 1,
        "new cysteine": 1,
        "new deamidation": 1,
    }
    text = summary_text(found)
    assert "mine: 2 of 8 variants suggested by expected-improvement, wells A1 to B1 of 96" in text
    assert "Left out: repeated in the pool: 1; the reference itself: 1; already measured: 1; more" in text
    assert "Measured so far: 3; the best is mine ligand:1:A1W, score 5.50" in text
    assert "Substitutions of alanines come out too favourable" in text
    without = run(surrogate, library=("receptor:1:1=D",), size=1)
    assert "alanines" not in summary_text(without)
    with pytest.raises(InputError, match=r"3 variants, but only 2 of the pool of 8 may be .*measured: 1;"):
        run(surrogate, size=3, **options)
    with pytest.raises(
        InputError, match=r"no variant of the pool of 2 is left .*measured: 1; new cysteine: 1"
    ):
        run(surrogate, library=(), pool=[pool[3], pool[5]], avoid="cysteine")


def test_a_batch_without_a_better_variant_says_so(surrogate: KnownSurrogate) -> None:
    sentence = "No suggested variant is predicted to be better than the best measured one"
    best = float(run(surrogate, size=2).table["predicted"].max())
    surrogate.measured.loc[1, "value"] = best + 0.01
    assert sentence in summary_text(run(surrogate, size=2))
    surrogate.measured.loc[1, "value"] = best - 0.01
    assert sentence not in summary_text(run(surrogate, size=2))
    effects = {"ligand:1:A1K": (2.0, 0.5)}
    for measured, expected in ((5.5, False), (7.5, True)):
        model = KnownSurrogate(WILD, effects, {"": 5.0, "ligand:1:K2W": measured}, column="ddg_kcal_mol")
        assert (sentence in summary_text(run(model, library=("ligand:1:1=K",), size=1))) is expected


def test_controls_come_first(surrogate: KnownSurrogate) -> None:
    table = run(surrogate, controls=True, size=2).table
    assert table["role"].tolist() == ["reference", "best measured", "suggested", "suggested"]
    assert table["mutant"].tolist()[:2] == ["", "ligand:1:A1W"]
    assert table["predicted"].iloc[0] == 5
    assert table["acquisition"].isna().tolist() == [True, True, False, False]
    assert table["reason"].iloc[1] == "control: the best measured variant, measured score 5.50"
    best_wild = KnownSurrogate(WILD, {}, {"": 5.0, "ligand:1:A1W": 4.0})
    assert run(best_wild, controls=True, size=2).table["role"].tolist() == ["reference", *["suggested"] * 2]


def test_a_lower_ddg_is_better() -> None:
    """An adapted model of ddG has values of the other sign; the plate has ddG."""
    effects = {"ligand:1:A1K": (2.0, 0.5), "receptor:1:E1D": (-2.0, 0.5)}
    model = KnownSurrogate(WILD, effects, {"": 5.0, "ligand:1:K2W": 5.5}, column="ddg_kcal_mol")
    found = run(model, library=("ligand:1:1=K", "receptor:1:1=D"), size=1, controls=True)
    row = found.table.iloc[2]
    assert row["mutant"] == "ligand:1:A1K"
    half = 2 * 0.5
    assert row[["predicted_lower", "predicted", "predicted_upper"]].tolist() == pytest.approx(
        [-7 - half, -7, -7 + half]
    )
    assert "predicted ddg_kcal_mol -7.00 (-8.00 to -6.00), best measured -5.50;" in row["reason"]
    assert found.best_value == -5.5
    assert found.table["reason"].iloc[1] == "control: the best measured variant, measured ddg_kcal_mol -5.50"


def test_what_lies_below_a_bound_is_not_the_best_measured(surrogate: KnownSurrogate) -> None:
    surrogate.measured.loc[1, "side"] = -1
    assert run(surrogate).best_value == 5.0
    surrogate.measured["side"] = -1
    assert run(surrogate).best_value == 5.5


def test_a_design_keeps_its_own_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A construct with a residue less at an end is a variant of the reference, and is suggested as it is."""
    chain = "MKVLAAGIVGLCFWHEDRSTNPQYAKLVDGE"
    long = Complex("long", (chain, "MKTWY"), ("EVQLARND",))
    model = KnownSurrogate(long, {}, {"": 5.0})
    monkeypatch.setattr(
        model, "predict", lambda complexes: np.array([[6.0], [1.0]]).repeat(len(complexes), 1)
    )
    monkeypatch.setattr(model, "sample", lambda complexes, count, seed: np.full((count, len(complexes)), 6.0))
    design = Complex("design", (f"{chain[1:5]}W{chain[6:]}", "MKTWY"), ("EVQLARND",))
    row = run(model, library=(), pool=[design], size=1).table.iloc[0]
    assert row["mutant"] == "ligand:1:A6W"
    assert row["ligand"] == f"{chain[1:5]}W{chain[6:]}:MKTWY"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": "luck"}, r"no acquisition 'luck'; the acquisitions are expected-improvement, upper-bound"),
        ({"sites": "ligand:1:1"}, r"give one pool: complexes, sites to scan, or a library"),
        ({"library": (), "sites": "ligand:1:50"}, r"is no position of ligand chain 1; it has 19 residues"),
        ({"most_mutations": 0}, r"most mutations of a variant are 0; give 1 or more"),
        ({"size": 97}, r"97 variants does not fit"),
        (
            {
                "library": (),
                "pool": [("good", f"K{LIGAND[1:]}:MKTWY", "EVQLARND"), ("short", "AK:MKTWY", "EVQLARND")],
            },
            r"the pool: 'short' \(1 row\(s\)\) .* reference 'mine'",
        ),
        (
            {"library": (), "pool": [("x", f"{LIGAND[:-1]}X:MKTWY", "EVQLARND")]},
            r"the pool: 'x' \(1 complex\(es\)\) have residues that are unknown \(X\)",
        ),
    ],
)
def test_what_does_not_fit_is_one_error(
    surrogate: KnownSurrogate, options: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        run(surrogate, **options)


def test_a_model_without_a_finite_prediction_is_refused(
    surrogate: KnownSurrogate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surrogate, "_effects", {parse_mutation("ligand:1:A1K", WILD): (np.nan, 1.0)})
    with pytest.raises(ModelError, match=r"no finite prediction of 'mine ligand:1:A1K'"):
        run(surrogate)


def test_the_short_list_holds_the_highest_scores() -> None:
    mean = np.random.default_rng(0).normal(size=5000)
    listed = short_list("thompson", mean, np.zeros(5000), 0.0, 8)
    assert listed.tolist() == np.argsort(-mean).tolist()[:2000]
    assert len(short_list("upper-bound", mean, np.zeros(5000), 0.0, 3000)) == 3000


def test_the_measured_variants_set_the_mark_in_each_draw(surrogate: KnownSurrogate) -> None:
    """A measured variant that is uncertain leaves less to improve on."""
    candidates, measured = [mutant("ligand:1:A1K")], [mutant("ligand:1:K2R")]
    options = {"by": "expected-improvement", "size": 1}
    mean, _ = surrogate.predict(candidates)
    own = choose_batch(surrogate, candidates, mean, measured=candidates, **options)
    other = choose_batch(surrogate, candidates, mean, measured=measured, **options)
    assert own.scores == pytest.approx([0.0])
    # 7 against N(5, 3): E max(7 - x, 0)
    expected = expected_improvement(np.array([7.0]), np.array([np.hypot(3.0, 0.1)]), 5.0)
    assert other.scores == pytest.approx(expected, abs=0.25)
