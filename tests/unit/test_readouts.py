"""Read-outs over pooled vectors: symmetric, alone for each complex, saved and loaded the same."""

from __future__ import annotations

import numpy as np
import pytest

from ppi.complexes import Complex
from ppi.errors import ModelError, SettingsError
from ppi.models.readouts.base import Pooled, ReadOut, build_readout
from ppi.models.readouts.descriptors import described_sides
from ppi.models.readouts.names import READOUTS, register_readout

RANDOM = np.random.default_rng(0)
MEMBERS = 3


def random_complexes(count: int) -> list[Complex]:
    def chain() -> str:
        return "".join(RANDOM.choice(list("ACDEFGHIKLMNPQRSTVWY"), size=int(RANDOM.integers(5, 40))))

    return [Complex(str(number), (chain(), chain()), (chain(),)) for number in range(count)]


def pooled(count: int, sides: int = 2, width: int = 12) -> Pooled:
    vectors = RANDOM.normal(size=(count, sides, width)).astype(np.float32)
    return Pooled(vectors, described_sides(random_complexes(count)))


def exchanged(given: Pooled) -> Pooled:
    return Pooled(given.vectors[:, ::-1], given.described[:, ::-1])


def labels_of(given: Pooled) -> np.ndarray:
    return given.vectors.sum(axis=1)[:, 0] * 2 + 7


def fitted(name: str, given: Pooled) -> ReadOut:
    readout = build_readout(name, {"components": 8})
    ones = np.ones(len(given.vectors))
    readout.fit(given, labels_of(given), ones, ones, members=MEMBERS, seed=0)
    return readout


@pytest.fixture(scope="module", params=sorted(READOUTS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def train() -> Pooled:
    return pooled(150)


@pytest.fixture(scope="module")
def readout(name: str, train: Pooled) -> ReadOut:
    return fitted(name, train)


def test_a_readout_learns(name: str, readout: ReadOut, train: Pooled) -> None:
    new = pooled(200)
    predicted, labels = readout.predict(new), labels_of(new)
    assert predicted.shape == (MEMBERS if name == "trees" else 1, 200)
    assert np.corrcoef(predicted.mean(axis=0), labels)[0, 1] > 0.5
    assert np.corrcoef(readout.predict(train).mean(axis=0), labels_of(train))[0, 1] > 0.9


def test_exchanging_the_sides_changes_nothing(readout: ReadOut) -> None:
    new = pooled(50)
    np.testing.assert_array_equal(readout.predict(exchanged(new)), readout.predict(new))


def test_a_prediction_does_not_depend_on_the_other_complexes(readout: ReadOut) -> None:
    new = pooled(70)
    alone = [readout.predict(Pooled(new.vectors[[row]], new.described[[row]])) for row in range(70)]
    np.testing.assert_array_equal(np.concatenate(alone, axis=1), readout.predict(new))


def test_what_is_saved_predicts_the_same(readout: ReadOut, name: str) -> None:
    again, new = build_readout(name), pooled(20)
    again.load(readout.arrays(), sides=2, members=MEMBERS)
    np.testing.assert_array_equal(again.predict(new), readout.predict(new))


def test_what_is_damaged_or_of_another_width_is_refused(readout: ReadOut, name: str) -> None:
    arrays = readout.arrays()
    for missing in arrays:
        rest = {key: array for key, array in arrays.items() if key != missing}
        with pytest.raises(ModelError, match=f"{missing}.* is missing"):
            build_readout(name).load(rest, sides=2, members=MEMBERS)
    fewer = arrays | {"components": arrays["components"][:1]}
    with pytest.raises(ModelError, match="damaged"):
        build_readout(name).load(fewer, sides=2, members=MEMBERS)
    with pytest.raises(ModelError, match="takes vectors of width 12; the head pools 11"):
        readout.predict(pooled(3, width=11))


def test_one_joint_vector_is_read_out_too(name: str) -> None:
    joint = pooled(100, sides=1)
    found = fitted(name, joint)
    again = build_readout(name)
    again.load(found.arrays(), sides=1, members=MEMBERS)
    np.testing.assert_array_equal(again.predict(joint), found.predict(joint))


@pytest.mark.filterwarnings("ignore:invalid value encountered")  # all vectors are equal
def test_complexes_of_a_large_group_weigh_less() -> None:
    given = pooled(60)
    labels = np.repeat([0.0, 10.0], [50, 10])
    same = Pooled(np.zeros_like(given.vectors), np.zeros_like(given.described))
    sizes = np.repeat([50, 10], [50, 10])
    means = []
    for power in (0.0, 1.0):
        readout = build_readout("trees", {"group_power": power, "trees": 5})
        readout.fit(same, labels, np.ones(60), sizes, members=1, seed=0)
        means.append(readout.predict(same)[0, 0])
    np.testing.assert_allclose(means, [10 / 6, 5.0], rtol=1e-5)


def test_wrong_names_and_options_are_refused() -> None:
    with pytest.raises(ValueError, match="there is no read-out 'forest'; choose one of trees, ridge, gp"):
        build_readout("forest")
    with pytest.raises(ValueError, match="read-out trees has no option 'tree'; its options: blocks, columns"):
        build_readout("trees", {"tree": 3})
    with pytest.raises(ValueError, match="columns"):
        build_readout("trees", {"columns": 1.5})
    with pytest.raises(ModelError, match="not fitted yet"):
        build_readout("ridge").predict(pooled(1))


def test_a_readout_of_another_package_is_found_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    # The part is listed for this test alone.
    monkeypatch.setattr(READOUTS, "_paths", dict(READOUTS._paths))
    monkeypatch.setattr(READOUTS, "_registered", dict(READOUTS._registered))
    register_readout("no-read-out")(type("NoReadOut", (), {}))
    with pytest.raises(TypeError, match="derive its class from"):
        build_readout("no-read-out")


def test_each_block_gets_components_of_its_own() -> None:
    given = pooled(100)
    readout = build_readout("ridge", {"components": 6, "blocks": 3})
    ones = np.ones(100)
    readout.fit(given, labels_of(given), ones, ones, members=1, seed=0)
    of_block = readout.arrays()["components"].reshape(6, 3, 4)
    used = np.abs(of_block).sum(axis=2) > 0
    np.testing.assert_array_equal(used, np.repeat(np.eye(3, dtype=bool), 2, axis=0))
    uneven = build_readout("ridge", {"components": 6, "blocks": 5})
    with pytest.raises(SettingsError, match="6 components and 5 blocks, .* of width 12; choose"):
        uneven.fit(given, labels_of(given), ones, ones, members=1, seed=0)
