"""The page on attention: its table is complete, and its example works."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest
import torch
from conftest import REPOSITORY

from heads.build import build_mixer
from heads.names import ATTENTIONS
from heads.options import options_of
from heads.ragged import Segments

PAGE = (REPOSITORY / "docs" / "guides" / "attention_variants.md").read_text()


def test_the_table_lists_the_attentions_and_their_options() -> None:
    table, _, _ = PAGE.partition("## Cost")
    rows = dict(re.findall(r"^\| `([a-z-]+)` \|(.*)$", table, re.MULTILINE))
    assert list(rows) == list(ATTENTIONS)
    shared = {"inner", "inner_options"}
    for name, row in rows.items():
        options = set(options_of(ATTENTIONS.find(name), filled_in=2)) - shared
        assert name == "random" or all(f"`{option}`" in row for option in options), name


def test_the_example_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for table in ("_paths", "_registered"):
        monkeypatch.setattr(ATTENTIONS, table, dict(getattr(ATTENTIONS, table)))
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(example[example.index("@register") :].splitlines()) < 30
    (tmp_path / "squared_attention.py").write_text(example)
    monkeypatch.syspath_prepend(tmp_path)
    import_module("squared_attention")
    torch.manual_seed(0)
    mixer = build_mixer("attention", 24, {"attention": "squared", "heads": 4}).eval()
    values, segments = torch.randn(12, 24), Segments.from_lengths([5, 7])
    alone = mixer(values[5:], Segments.from_lengths([7]))
    torch.testing.assert_close(mixer(values, segments)[5:], alone)
    with pytest.raises(ValueError, match="floor of attention squared is 0; it must be a number above 0"):
        build_mixer("attention", 24, {"attention": "squared", "attention_options": {"floor": 0}})
