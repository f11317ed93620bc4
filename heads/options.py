"""Options by name, checked against the annotations of the constructor that takes them.

The options of a class are the parameters of its constructor that the builder does not supply and, if it
passes on others as ``**options``, those of its base class. Their annotations define the allowed values:
``bool``, ``int`` (which a bool is not), ``float``, ``str``, ``None``, ``Literal``, unions of these, and
lists, tuples and mappings of them; `Range` in ``Annotated`` narrows a number. A parameter ``make_x`` that is
annotated with `ChosenPart` takes a part: the option ``x`` is its name and ``x_options`` are its options.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import NoneType, SimpleNamespace, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from heads.names import PartTable
from heads.suggestions import did_you_mean

_PLAIN = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", NoneType: "none"}
_NUMBERS = (int, float)


@dataclass(frozen=True)
class Range:
    """In ``Annotated``: a number is at least `least`, at most `most`, above `above` and below `below`."""

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None

    def holds(self, number: float) -> bool:
        """Return whether a number lies inside; NaN does not."""
        return (
            (self.least is None or number >= self.least)
            and (self.most is None or number <= self.most)
            and (self.above is None or number > self.above)
            and (self.below is None or number < self.below)
        )

    def __str__(self) -> str:
        bounds = {"at least": self.least, "at most": self.most, "above": self.above, "below": self.below}
        limits = " and ".join(f"{words} {bound:g}" for words, bound in bounds.items() if bound is not None)
        return limits if limits.startswith(("above", "below")) else f"of {limits}"


#: A size or a count.
AtLeastOne = Annotated[int, Range(least=1)]
#: A fraction between 0 and 1, both excluded.
Fraction = Annotated[float, Range(above=0, below=1)]
#: A dropout probability.
DropoutRate = Annotated[float, Range(least=0, below=1)]


@dataclass(frozen=True)
class ChosenPart:
    """In ``Annotated``: the parameter takes a function that makes a part listed in a table.

    Attributes
    ----------
    table
        Table that lists the part.
    default
        Name of the default part.
    """

    table: PartTable
    default: str


@dataclass(frozen=True)
class Option:
    """The type and the default of an option.

    Attributes
    ----------
    annotation
        Allowed type or values, as annotated in the constructor.
    default
        Default value; ``inspect.Parameter.empty`` if the option is required.
    """

    annotation: Any
    default: Any

    @property
    def required(self) -> bool:
        """Whether the option is required."""
        return self.default is inspect.Parameter.empty


def make_part(table: PartTable, name: str, *arguments: Any, options: Mapping[str, Any] | None = None) -> Any:
    """Make a part listed in a table.

    Parameters
    ----------
    table, name
        Table and name of the part.
    arguments
        Values of the first parameters of its constructor, which the builder supplies.
    options
        Values of the other parameters by name.

    Raises
    ------
    ValueError
        If the name or an option is unknown, the value of an option is invalid, a required option is missing,
        or the part rejects a value.
    """
    make, what = table.find(name), f"{table.kind} {name}"
    known = _parameters(make, len(arguments))
    rest = dict(options or {})
    chosen = {
        parameter: _chosen_part(parameter.removeprefix("make_"), part, rest, what)
        for parameter, option in known.items()
        if (part := _part_of(option.annotation)) is not None
    }
    plain = {parameter: option for parameter, option in known.items() if parameter not in chosen}
    for option in rest:
        if option not in plain:
            allowed = ", ".join(sorted(_by_option(known))) or "none"
            raise ValueError(
                f"{what} has no option {option!r}; its options: {allowed}"
                f"{did_you_mean(option, _by_option(known))}"
            )
    missing = [option for option, takes in plain.items() if takes.required and option not in rest]
    if missing:
        expected = describe(plain[missing[0]].annotation)
        raise ValueError(f"{what} needs the option {missing[0]}: {expected}")
    values = {option: _checked(option, plain[option].annotation, rest[option], what) for option in rest}
    return make(*arguments, **chosen, **values)


def options_of(make: Any, filled_in: int) -> dict[str, Option]:
    """Return the options of a class by name.

    Parameters
    ----------
    make
        Class of any package.
    filled_in
        Number of leading parameters that the builder supplies.
    """
    return _by_option(_parameters(make, filled_in))


def describe(annotation: Any) -> str:
    """Describe in words what an annotation allows."""
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        ranges = " ".join(str(limit) for limit in inside[1:] if isinstance(limit, Range))
        return f"{describe(inside[0])} {ranges}".strip()
    if origin in (Union, UnionType):
        return " or ".join(describe(one) for one in inside)
    if origin is Literal:
        return f"one of {', '.join(map(str, inside))}"
    if _is_list(origin or annotation):
        items = " or ".join(dict.fromkeys(describe(one) for one in inside if one is not Ellipsis))
        return f"a list, each item {items}" if items else "a list"
    if _is_mapping(origin or annotation):
        return "a mapping"
    return _PLAIN.get(annotation, f"of the type {annotation}, which cannot be given by name")


def _by_option(parameters: Mapping[str, Option]) -> dict[str, Option]:
    """Return parameters by the names of their options; a part has two."""
    options: dict[str, Option] = {}
    for parameter, option in parameters.items():
        part = _part_of(option.annotation)
        if part is None:
            options[parameter] = option
        else:
            name = parameter.removeprefix("make_")
            options[name] = Option(str, part.default)
            options[f"{name}_options"] = Option(Mapping[str, Any], {})
    return options


def _parameters(make: Any, filled_in: int) -> dict[str, Option]:
    """Return the parameters of a constructor, and those that it passes on to its bases, as options."""
    found: dict[str, Option] = {}
    for base in make.__mro__:
        if "__init__" not in vars(base):
            continue
        parameters = list(inspect.signature(base.__init__).parameters.values())[1:]
        own = [
            each
            for each in parameters[filled_in:]
            if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)
        ]
        hints = _hints(base, own)
        found = {each.name: Option(hints[each.name], each.default) for each in own} | found
        if all(each.kind != each.VAR_KEYWORD for each in parameters):
            break
    return found


def _hints(base: type, parameters: Sequence[inspect.Parameter]) -> dict[str, Any]:
    """Return the annotations of some parameters of a constructor; ``Any`` for those without one."""
    written = {each.name: Any if each.annotation is each.empty else each.annotation for each in parameters}
    names = vars(sys.modules[base.__module__])
    try:
        return get_type_hints(SimpleNamespace(__annotations__=written), names, include_extras=True)
    except NameError as error:
        raise ValueError(
            f"the annotations of {base.__qualname__}.__init__ cannot be read, so its options are not known: "
            f"{error}; import that name outside of `if TYPE_CHECKING`"
        ) from error


def _part_of(annotation: Any) -> ChosenPart | None:
    marks = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    return next((mark for mark in marks if isinstance(mark, ChosenPart)), None)


def _chosen_part(name: str, part: ChosenPart, options: dict[str, Any], what: str) -> Callable[..., Any]:
    """Take the name and the options of a part from `options`, and return the function that makes it."""
    chosen = _checked(name, str, options.pop(name, part.default), what)
    inner = _checked(f"{name}_options", Mapping[str, Any], options.pop(f"{name}_options", {}), what)
    return partial(make_part, part.table, part.table.check(chosen), options=inner)


def _checked(option: str, annotation: Any, value: Any, what: str) -> Any:
    """Return a value converted to its annotation: a list becomes a tuple where a tuple is annotated."""
    if not _allows(annotation, value):
        raise ValueError(f"option {option} of {what} is {value!r}; it must be {describe(annotation)}")
    return _converted(annotation, value)


def _allows(annotation: Any, value: Any) -> bool:
    origin, inside = get_origin(annotation), get_args(annotation)
    if annotation is Any:
        return True
    if origin is Annotated:
        limits = [mark for mark in inside[1:] if isinstance(mark, Range)]
        numbers = isinstance(value, _NUMBERS)
        return _allows(inside[0], value) and (not numbers or all(limit.holds(value) for limit in limits))
    if origin in (Union, UnionType):
        return any(_allows(one, value) for one in inside)
    if origin is Literal:
        return any(type(value) is type(one) and value == one for one in inside)
    if _is_list(origin or annotation):
        return _allows_items(origin or annotation, inside, value)
    if _is_mapping(origin or annotation):
        return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)
    if annotation not in _PLAIN or (annotation in _NUMBERS and isinstance(value, bool)):
        return False
    return isinstance(value, _NUMBERS if annotation is float else annotation)


def _allows_items(kind: Any, inside: tuple[Any, ...], value: Any) -> bool:
    if not isinstance(value, list | tuple):
        return False
    if kind is tuple and inside and Ellipsis not in inside:
        return len(value) == len(inside) and all(map(_allows, inside, value))
    return all(_allows(inside[0] if inside else Any, item) for item in value)


def _converted(annotation: Any, value: Any) -> Any:
    """Convert a list to a tuple if the annotation allows a tuple but no list."""
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _converted(inside[0], value)
    if origin in (Union, UnionType):
        return _converted(next(one for one in inside if _allows(one, value)), value)
    return tuple(value) if (origin or annotation) is tuple else value


def _is_list(kind: Any) -> bool:
    return kind in (list, tuple, Sequence)


def _is_mapping(kind: Any) -> bool:
    return kind in (dict, Mapping)
