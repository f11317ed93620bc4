"""Options of parts: each kind of annotation, for classes of any package."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest

from heads.names import PartTable
from heads.options import AtLeastOne, ChosenPart, DropoutRate, Range, make_part, options_of

if TYPE_CHECKING:
    from torch import Tensor

WHEELS = PartTable("wheel", {})
CARS = PartTable("car", {})


@WHEELS.register("spoked")
class Spoked:
    def __init__(self, width: int, spokes: AtLeastOne = 3) -> None:
        self.width, self.spokes = width, spokes


class Vehicle:
    def __init__(self, dim: int, *, quiet: bool = False) -> None:
        self.dim, self.quiet = dim, quiet


@CARS.register("full")
class Full(Vehicle):
    """Has an option of each kind."""

    def __init__(
        self,
        dim: int,
        *,
        count: int = 1,
        size: AtLeastOne = 1,
        rate: float = 0.5,
        part: DropoutRate = 0.1,
        name: str = "x",
        limit: int | None = None,
        ratio: AtLeastOne | float = 1,
        kind: Literal["one", "two", 3] = "one",
        steps: tuple[int, ...] = (1,),
        pair: tuple[int, str] = (1, "a"),
        scales: list[Annotated[float, Range(least=0, most=1)]] | None = None,
        extra: Mapping[str, Any] | None = None,
        make_wheel: Annotated[Callable[[int], Spoked], ChosenPart(WHEELS, "spoked")],
        **options: Any,
    ) -> None:
        super().__init__(dim, **options)
        self.given = {name: value for name, value in locals().items() if name not in ("self", "options")}
        self.wheel = make_wheel(7)


@CARS.register("strict")
class Strict(Vehicle):
    """Must be told its size, and refuses odd ones itself."""

    def __init__(self, dim: int, size: int) -> None:
        super().__init__(dim)
        if size % 2:
            raise ValueError(f"the size {size} is odd; choose an even one")


@CARS.register("unread")
class Unread(Vehicle):
    """Takes what is known to type checkers only."""

    def __init__(self, dim: int, weight: Tensor | None = None) -> None:
        super().__init__(dim)


@pytest.mark.parametrize(
    ("option", "value", "taken"),
    [
        ("count", 0, 0),
        ("count", -3, -3),
        ("size", 1, 1),
        ("rate", 0.25, 0.25),
        ("rate", 0, 0),
        ("rate", -1e9, -1e9),
        ("part", 0, 0),
        ("part", 0.999, 0.999),
        ("name", "", ""),
        ("limit", None, None),
        ("limit", 0, 0),
        ("ratio", 0.5, 0.5),
        ("kind", "two", "two"),
        ("kind", 3, 3),
        ("steps", [0, 2], (0, 2)),
        ("steps", [], ()),
        ("pair", [2, "b"], (2, "b")),
        ("scales", [0, 1.0, 0.5], [0, 1.0, 0.5]),
        ("scales", None, None),
        ("extra", {"a": [1]}, {"a": [1]}),
    ],
)
def test_values_that_fit(option: str, value: Any, taken: Any) -> None:
    made = make_part(CARS, "full", 5, options={option: value})
    assert made.given[option] == taken
    assert type(made.given[option]) is type(taken)


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("count", 1.0, "a whole number"),
        ("count", True, "a whole number"),
        ("count", "7", "a whole number"),
        ("count", None, "a whole number"),
        ("size", 0, "a whole number of at least 1"),
        ("rate", "high", "a number"),
        ("rate", False, "a number"),
        ("part", 1, "a number of at least 0 and below 1"),
        ("part", float("nan"), "a number of at least 0 and below 1"),
        ("name", 3, "a text"),
        ("limit", 0.5, "a whole number or none"),
        ("kind", "three", "one of one, two, 3"),
        ("kind", 3.0, "one of one, two, 3"),
        ("steps", 3, "a list, each item a whole number"),
        ("steps", [1, 0.5], "a list, each item a whole number"),
        ("pair", [1], "a list, each item a whole number or a text"),
        ("pair", ["b", 2], "a list, each item a whole number or a text"),
        ("scales", [2], "a list, each item a number of at least 0 and at most 1 or none"),
        ("extra", [1], "a mapping or none"),
        ("quiet", 1, "true or false"),
        ("wheel", 3, "a text"),
        ("wheel_options", "x", "a mapping"),
    ],
)
def test_values_that_do_not_fit(option: str, value: Any, allowed: str) -> None:
    message = f"option {option} of car full is {value!r}; it must be {allowed}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        make_part(CARS, "full", 5, options={option: value})


def test_options_reach_the_base_class_and_the_part_inside() -> None:
    options = {"quiet": True, "wheel": "spoked", "wheel_options": {"spokes": 9}}
    made = make_part(CARS, "full", 5, options=options)
    assert (made.dim, made.quiet, made.wheel.width, made.wheel.spokes) == (5, True, 7, 9)
    assert make_part(CARS, "full", 5).wheel.spokes == 3
    with pytest.raises(ValueError, match="option spokes of wheel spoked is 0"):
        make_part(CARS, "full", 5, options={"wheel_options": {"spokes": 0}})
    with pytest.raises(ValueError, match="there is no wheel 'round'; choose one of spoked, or first import"):
        make_part(CARS, "full", 5, options={"wheel": "round"})


def test_what_is_filled_in_is_no_option() -> None:
    with pytest.raises(
        ValueError, match=r"car full has no option 'dim'; its options: count, extra, .*wheel_o"
    ):
        make_part(CARS, "full", 5, options={"dim": 3})
    known = options_of(Full, filled_in=1)
    assert {"quiet", "wheel", "wheel_options", "size"} <= known.keys()
    assert known["size"].default == 1
    assert "make_wheel" not in known


def test_a_class_must_get_what_it_needs_and_may_refuse_a_value() -> None:
    with pytest.raises(ValueError, match="car strict needs the option size: a whole number"):
        make_part(CARS, "strict", 5)
    with pytest.raises(ValueError, match="the size 3 is odd"):
        make_part(CARS, "strict", 5, options={"size": 3})


def test_an_annotation_that_cannot_be_read_is_named() -> None:
    with pytest.raises(ValueError, match=r"Unread.__init__ cannot be read.*'Tensor' is not defined"):
        make_part(CARS, "unread", 5)


def test_a_name_belongs_to_one_class() -> None:
    assert WHEELS.register("spoked")(Spoked) is Spoked
    with pytest.raises(ValueError, match="the wheel 'spoked' is .*:Spoked already; register .*:Full under"):
        WHEELS.register("spoked")(Full)


def test_names_are_listed_without_torch() -> None:
    code = "import sys, heads.names as n; print([*n.HEADS, *n.MIXERS], 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0].endswith("'none'] False")
