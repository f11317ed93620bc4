"""The record that everything passes on."""

from __future__ import annotations

import warnings

import pytest

from ppi.complexes import Complex, split_side
from ppi.errors import InputError, PpiWarning


def test_lower_case_white_space_and_a_trailing_stop_are_accepted() -> None:
    item = Complex("a", ("mkv lw*",), ("MKV\nLW",))
    assert item.ligand == item.receptor == ("MKVLW",)
    assert item.notes == ()


def test_rare_residues_become_x_and_are_noted() -> None:
    item = Complex("a", ("MUKZ", "BKOM"), ("MKX",))
    assert item.ligand == ("MXKX", "XKXM")
    assert item.notes == (
        "complex 'a', ligand chain 1: U, Z replaced by X",
        "complex 'a', ligand chain 2: B, O replaced by X",
    )


@pytest.mark.parametrize(
    ("chains", "message"),
    [
        ((), "has no receptor"),
        (("",), "receptor chain 1 is empty"),
        (("MKV", " "), "receptor chain 2 is empty"),
        (("*",), "receptor chain 1 is empty"),
        (("MK1V",), "receptor chain 1, position 3: '1' is not an amino acid; remove the numbers"),
        (("MKßV",), "position 3: 'ß' is not an amino acid"),
        (("MKJV",), "position 3: 'J' is not an amino acid"),
        (("MK-V",), "position 3: '-' is a gap"),
        (("M*KV",), "position 2: '\\*' is a stop codon inside"),
        (("MKV**",), "position 4: '\\*' is a stop codon"),
    ],
)
def test_wrong_chain_names_complex_side_chain_and_position(chains: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=f"complex 'a'.*{message}"):
        Complex("a", ("MKV",), chains)


def test_a_string_is_not_a_tuple_of_chains() -> None:
    with pytest.raises(InputError, match="the ligand is a string; give a tuple of chains"):
        Complex("a", "EVQL", ("MKV",))


def test_empty_id_is_refused() -> None:
    with pytest.raises(InputError, match="the id of a complex is ' '; give a name"):
        Complex(" ", ("MKV",), ("MKV",))


@pytest.mark.parametrize("chain", ["ACGT" * 5, "acgu" * 5])
def test_nucleotides_are_warned_about(chain: str) -> None:
    with pytest.warns(PpiWarning, match="ligand chain 1 has only .* nucleotide"):
        Complex("a", (chain,), ("MKV",))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Complex("a", ("ACGTK",), ("MKV",))


def test_both_separators_are_understood() -> None:
    assert split_side("AB:CD,E") == ("AB", "CD", "E")
    assert split_side("AB:") == ("AB", "")
