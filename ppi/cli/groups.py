"""Groups of flags in the help of a verb, in the order of their panels."""

from __future__ import annotations

from cyclopts import Group, Parameter

from ppi.setting_groups import SettingGroup

_ORDER = (
    "Server",
    SettingGroup.DATA.value,
    "Candidates",
    SettingGroup.OUTPUT.value,
    "Recipe",
    "Mutations",
    "Plate",
    "Ranking",
    "Rules",
    "Scores",
    "Cross-validation",
    "Limits",
    SettingGroup.MODEL.value,
    SettingGroup.TUNING.value,
    SettingGroup.OPTIMISATION.value,
    SettingGroup.HARDWARE.value,
    "Stores",
    "Further commands",
)
_GROUPS = {title: Group(title, sort_key=position) for position, title in enumerate(_ORDER)}


def in_group(title: str) -> Parameter:
    """Return what puts a flag into the group of this title."""
    return Parameter(group=_GROUPS[title])


DATA, OUTPUT, MODEL, HARDWARE = in_group("Data"), in_group("Output"), in_group("Model"), in_group("Hardware")
RECIPE, CANDIDATES, MUTATIONS = in_group("Recipe"), in_group("Candidates"), in_group("Mutations")
PLATE, RANKING, RULES = in_group("Plate"), in_group("Ranking"), in_group("Rules")
SCORES, CROSS_VALIDATION, STORES = in_group("Scores"), in_group("Cross-validation"), in_group("Stores")
SERVER, LIMITS = in_group("Server"), in_group("Limits")
#: Group of the commands of a verb.
FURTHER = _GROUPS["Further commands"]

#: A flag that is on by default has a second form that turns it off.
CAN_BE_OFF = Parameter(negative_bool="no-")
#: Several values after one flag, as in `--layers 3 -1`.
SEVERAL = Parameter(consume_multiple=True)
#: The shell completes names that the help does not list, because other names are accepted, too.
COMPLETED = Parameter(show_choices=False)
