"""Trees as arrays: they predict what scikit-learn predicts, and damage is found."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor

from ppi.errors import ModelError
from ppi.models.forest import Forest

RANDOM = np.random.default_rng(0)
ROWS = RANDOM.normal(size=(300, 7)).astype(np.float32)
LABELS = ROWS[:, 0] * ROWS[:, 1] + np.sin(ROWS[:, 2])


def fitted(kind: type = ExtraTreesRegressor, **options: int) -> ExtraTreesRegressor:
    return kind(12, random_state=0, **options).fit(ROWS, LABELS)


@pytest.mark.parametrize("kind", [ExtraTreesRegressor, RandomForestRegressor])
def test_trees_as_arrays_predict_what_scikit_learn_predicts(kind: type) -> None:
    model = fitted(kind, min_samples_leaf=2)
    forest = Forest.from_trees(model.estimators_)
    others = RANDOM.normal(size=(500, 7)).astype(np.float32)
    by_tree = np.stack([tree.predict(others) for tree in model.estimators_])
    np.testing.assert_array_equal(forest.by_tree(others), by_tree.astype(np.float32))
    np.testing.assert_allclose(forest.predict(others), model.predict(others), rtol=1e-6, atol=1e-6)


def test_compiled_trees_give_the_same_numbers_to_the_last_bit(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    forest = Forest.from_trees(fitted().estimators_)
    others = RANDOM.normal(size=(10_000, 7)).astype(np.float32)
    # Rows on thresholds, and what is no number.
    others[:50, 0], others[50:60, 1] = forest.number[forest.feature == 0][:50], np.nan
    compiled = forest.by_tree(others)
    few = np.concatenate([forest.by_tree(part) for part in np.array_split(others, 50)], axis=1)
    np.testing.assert_array_equal(compiled, few)
    # Another version of scikit-learn may keep trees in another form.
    monkeypatch.setattr("sklearn.tree._tree.NODE_DTYPE", np.dtype([("other", "i8")]))
    again = Forest.from_arrays(forest.arrays(), 7)
    np.testing.assert_array_equal(again.by_tree(others), compiled)
    assert "cannot use the trees of the model" in caplog.text


def test_a_row_on_a_threshold_goes_the_same_way() -> None:
    rows = np.array([[0.0], [1.0], [2.0], [3.0]], dtype=np.float32)
    model = RandomForestRegressor(5, random_state=1).fit(rows, [0.0, 1.0, 5.0, 7.0])
    forest = Forest.from_trees(model.estimators_)
    between = np.array(
        [[0.5], [1.5], [2.5], [np.nextafter(np.float32(1.5), np.float32(2))]], dtype=np.float32
    )
    np.testing.assert_allclose(forest.predict(between), model.predict(between), atol=1e-6)


def test_arrays_make_the_same_forest() -> None:
    forest = Forest.from_trees(fitted().estimators_)
    again = Forest.from_arrays(forest.arrays(), 7)
    np.testing.assert_array_equal(again.predict(ROWS), forest.predict(ROWS))


def test_a_tree_of_one_leaf_predicts_it() -> None:
    forest = Forest.from_trees(ExtraTreesRegressor(2).fit(ROWS, np.ones(300)).estimators_)
    np.testing.assert_array_equal(forest.predict(ROWS[:3]), 1.0)


@pytest.mark.parametrize(
    ("name", "change", "expected"),
    [
        ("feature", lambda array: np.full_like(array, 7), "points outside its tree or tests a feature"),
        ("right", lambda array: array + 10_000, "points outside its tree"),
        ("right", lambda array: np.zeros_like(array), "points outside its tree"),
        ("number", lambda array: array[:-1], "do not fit each other"),
        ("number", lambda array: array * np.nan, "NaN or infinite"),
        ("starts", lambda array: array[::-1], "do not fit each other"),
        ("starts", lambda array: array * 10_000, "after the last node"),
    ],
)
def test_damaged_trees_are_refused(name: str, change: object, expected: str) -> None:
    arrays = Forest.from_trees(fitted().estimators_).arrays()
    arrays[name] = change(arrays[name])
    with pytest.raises(ModelError, match=expected):
        Forest.from_arrays(arrays, 7)


def test_missing_arrays_are_named() -> None:
    with pytest.raises(ModelError, match="number, right, starts is missing"):
        Forest.from_arrays({"feature": np.array([-1])}, 7)
