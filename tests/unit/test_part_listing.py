"""Lists of heads, mixers, poolings and read-outs."""

from __future__ import annotations

import pytest

from heads.mixers.identity import IdentityMixer
from heads.names import MIXERS, register_mixer
from heads.options import options_of
from ppi.models.config import ModelConfig
from ppi.models.part_listing import PART_KINDS, describe_part, list_parts


@pytest.mark.parametrize("kind", PART_KINDS)
def test_every_part_is_listed_with_what_it_is(kind: str) -> None:
    heading, empty, *lines = list_parts(kind).splitlines()
    table = PART_KINDS[kind].table
    assert heading.startswith(f"{PART_KINDS[kind].chosen_by} NAME: name")
    assert empty == ""
    assert [line.split()[0] for line in lines] == list(table)
    for name, line in zip(table, lines, strict=True):
        about = getattr(table.find(name), "about", None)
        if about is None:
            assert line.endswith(".")
            assert line.split()[1] in table.find(name).__doc__
        else:
            assert line.split(maxsplit=1)[1].startswith(f"{about.cost} ")
            assert about.purpose in line
            assert about.source in line


@pytest.mark.parametrize("kind", PART_KINDS)
def test_every_option_of_a_part_is_listed_as_a_flag_that_exists(kind: str) -> None:
    flag = PART_KINDS[kind].flag
    assert flag.removeprefix("--").split(".")[0].replace("-", "_") in ModelConfig.model_fields
    for name in PART_KINDS[kind].table:
        options = options_of(PART_KINDS[kind].table.find(name), PART_KINDS[kind].supplied)
        printed = describe_part(kind, name)
        for option in options.keys() - set(PART_KINDS[kind].no_options):
            assert f"  {flag}.{option.replace('_', '-')} " in printed
        assert ("It has no options." in printed) == (not options)


def test_an_option_has_its_type_and_its_default() -> None:
    assert "--pooling-options.heads  a whole number of at least 1; default 8" in describe_part(
        "poolings", "multihead"
    )
    assert "--head-options.aggregation " in describe_part("heads", "hp")
    assert "one of concat, add, mean; default concat" in describe_part("heads", "hp")
    assert "heteroscedastic" not in describe_part("heads", "hp")


def test_a_part_of_another_package_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MIXERS, "_paths", dict(MIXERS._paths))
    monkeypatch.setattr(MIXERS, "_registered", dict(MIXERS._registered))

    @register_mixer("mine")
    class MyMixer(IdentityMixer):
        """A mixer of mine.

        It does nothing.
        """

    assert list_parts("mixers").splitlines()[-1].split(maxsplit=1) == ["mine", "A mixer of mine."]
    with pytest.raises(ValueError, match="there is no mixer 'other'; choose one of .*mine"):
        describe_part("mixers", "other")
