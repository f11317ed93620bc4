"""Files in which the chains of one antibody would become two sides."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from ppi.errors import PpiWarning
from ppi.io.fasta import read_side_pairs
from ppi.io.sides import read_sides


@pytest.mark.parametrize(
    ("heavy", "light"),
    [
        ("H", "L"),
        ("mab1_H", "mab1_L"),
        ("mab1|VH", "mab1|VL"),
        ("3HFM_2|Chain B[auth H]|FAB (HEAVY CHAIN)", "3HFM_1|Chain A[auth L]|FAB (LIGHT CHAIN)"),
        ("a heavy chain", "b light chain"),
    ],
)
def test_a_heavy_and_a_light_record_have_a_warning(tmp_path: Path, heavy: str, light: str) -> None:
    antibody, antigen = tmp_path / "antibody.fasta", tmp_path / "antigen.fasta"
    antibody.write_text(f">{heavy}\nEVQL\n>{light}\nDIQM\n")
    antigen.write_text(">antigen\nKVFG\n")
    with pytest.warns(PpiWarning, match=r"line 1\) and .* \(line 3\) look like .* HEAVY:LIGHT"):
        assert len(read_side_pairs(antibody, antigen)) == 2
    with pytest.warns(PpiWarning, match="antibody.fasta: '>"):
        read_sides(antibody, "ligand")


@pytest.mark.parametrize(
    "text",
    [
        ">H\nEVQL:DIQM\n>L\nEVQL:DIQM\n",  # names of antibodies, each with both chains
        ">barnase_h1\nEVQL\n>L\nDIQM\n",
        ">heavy\nEVQL\n>HL\nDIQM\n",
        ">light\nEVQL\n",
        ">D32H\nEVQL\n>Y101L\nDIQM\n",  # mutants
        ">1ABC_H\nEVQL\n>2XYZ_L\nDIQM\n",
        ">myosin heavy chain\nEVQL\n>kappa opioid receptor\nDIQM\n",
    ],
)
def test_other_names_have_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sides.fasta"
    path.write_text(text)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_sides(path, "ligand")
