"""Flags of the command line from a class of settings, each in the group that the setting names."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, NamedTuple, TypedDict, get_args, get_origin, get_type_hints

import yaml
from cyclopts import Parameter, Token
from pydantic import BaseModel

from ppi.cli.groups import CAN_BE_OFF, COMPLETED, SEVERAL, in_group
from ppi.cli.names import NAMES_OF_SETTINGS
from ppi.cli.values import shown
from ppi.setting_groups import SettingGroup


class _Setting(NamedTuple):
    name: str
    annotation: Any
    group: SettingGroup | None
    default: Any


def flags_of(settings: type, default: SettingGroup, values: Mapping[str, Any] | None = None) -> Any:
    """Return the type of a mapping of those settings that are given as flags.

    Parameters
    ----------
    settings
        Pydantic model or dataclass. The section Parameters of its docstring is the help of the flags. The
        fields of a nested pydantic model are flags as well: ``model`` without a prefix, others with one.
    default
        Group of settings that name none.
    values
        Defaults that the help shows instead of those of the class.
    """
    annotations = {}
    for setting in _settings(settings):
        if setting.group is not SettingGroup.FOUND:
            annotations[setting.name] = _flag(setting, default, values or {})
    flags: Any = TypedDict(f"{settings.__name__}Flags", annotations, total=False)  # type: ignore[misc]
    flags.__doc__ = settings.__doc__
    return flags


def _settings(settings: type) -> Iterator[_Setting]:
    if issubclass(settings, BaseModel):
        for name, field in settings.model_fields.items():
            yield _Setting(
                name,
                field.annotation,
                _group_in(field.metadata),
                field.get_default(call_default_factory=True),
            )
        return
    hints = get_type_hints(settings, include_extras=True)
    for item in dataclasses.fields(settings):  # type: ignore[arg-type]
        marks = get_args(hints[item.name])[1:] if get_origin(hints[item.name]) is Annotated else ()
        yield _Setting(item.name, hints[item.name], _group_in(marks), item.default)


def _group_in(marks: Sequence[Any]) -> SettingGroup | None:
    return next((mark for mark in marks if isinstance(mark, SettingGroup)), None)


def _flag(setting: _Setting, default: SettingGroup, values: Mapping[str, Any]) -> Any:
    chosen, annotation = setting.group or default, setting.annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        flat = setting.name == "model"
        inside = flags_of(annotation, chosen, values if flat else values.get(setting.name))
        return Annotated[inside, Parameter(name="*" if flat else None), in_group(chosen.value)]
    value = values.get(setting.name, setting.default)
    parameter = Parameter.combine(in_group(chosen.value), Parameter(show_default=shown(value) or False))
    if annotation == dict[str, Any]:
        return Annotated[annotation, parameter, Parameter(converter=_options)]
    if annotation == tuple[int, ...]:
        return Annotated[annotation, SEVERAL, parameter]
    if annotation is str and setting.name in NAMES_OF_SETTINGS:
        return Annotated[NAMES_OF_SETTINGS[setting.name], COMPLETED, parameter]
    if annotation is bool and value:
        return Annotated[annotation, CAN_BE_OFF, parameter]
    return Annotated[annotation, parameter]


def _options(_: Any, tokens: Any) -> Any:
    """Return options of a part, which may be nested: values are read as YAML, names have underscores."""
    if isinstance(tokens, Mapping):
        return {str(name).replace("-", "_"): _options(_, inside) for name, inside in tokens.items()}
    last: Token = tokens[-1]
    return yaml.safe_load(last.value)
