"""Chain sequences from real structure files, and from made ones for each hard case."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from made_structures import residue

from data_curation.errors import StructureError
from data_curation.structures.chains import StructureChain, find_structure, read_structure, read_structures
from data_curation.structures.mutations import apply_mutations, parse_mutations

REAL = Path(__file__).resolve().parent.parent / "data" / "structures"

Read = Callable[..., dict[str, StructureChain]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read_text(*parts: str) -> dict[str, StructureChain]:
        path = tmp_path / "made.pdb"
        path.write_text("".join(parts))
        return read_structure(path)

    return read_text


def test_both_formats_of_one_entry_give_equal_chains() -> None:
    chains = read_structure(REAL / "1A8O.pdb.gz")
    assert chains == read_structure(REAL / "1A8O.cif.gz")
    chain = chains["A"]
    assert chain.sequence == "MDIRQGPKEPFRDYVDRFYKTLRAEQASQEVKNWMTETLLVQNANPDCKTILKALGPGATLEEMMTACQG"
    assert (chain.observed, chain.modified, chain.unknown, chain.gaps) == (70, 4, 0, 0)  # 4 MSE
    assert (chain.positions[151, ""], chain.positions[220, ""]) == (0, 69)


def test_real_gaps_are_filled_from_seqres_and_agree_with_the_numbers() -> None:
    chain = read_structure(REAL / "2XHE.pdb.gz")["B"]
    assert (chain.observed, chain.missing_recovered, chain.missing_unresolved) == (220, 40, 0)
    assert (chain.gaps, chain.gaps_recovered, len(chain.sequence)) == (2, 2, 260)
    # The author numbers this chain as deposited, which the alignment does not look at.
    assert {number - index for (number, _), index in chain.positions.items()} == {2}


def test_models_held_as_one_chain_are_read_once() -> None:
    chain = read_structure(REAL / "1KBH.pdb.gz")["A"]
    assert (len(chain.sequence), chain.observed, chain.gaps) == (47, 47, 0)
    mutated = apply_mutations(chain, parse_mutations("A_E1A,A_G49A"))
    assert mutated.sequence == "AA" + chain.sequence[2:]


def test_repeated_domains_are_not_taken_for_models(read: Read) -> None:
    chain = read(*(residue("GLY", place, place) for place in (1, 2, 3, 5, 6, 7)))["A"]
    assert chain.sequence == "GGGXGGG"


def test_numbers_never_break_a_chain(read: Read) -> None:
    labels = (-3, -1, 5, 52, "52A", "52B", 53, 160, 7)
    chain = read(*(residue("ALA", label, place) for place, label in enumerate(labels)))["A"]
    assert (chain.sequence, chain.gaps) == ("A" * 9, 0)
    assert list(chain.positions) == [
        (-3, ""),
        (-1, ""),
        (5, ""),
        (52, ""),
        (52, "A"),
        (52, "B"),
        (53, ""),
        (160, ""),
        (7, ""),
    ]


@pytest.mark.parametrize(
    ("label", "place", "sequence"),
    [
        (8, 3.9, "AGXXXXXVL"),  # by number
        (3, 3.9, "AGXXVL"),  # by distance, CA-CA 11.0
        ("2A", 3.9, "AGXXVL"),
        (-5, 3.9, "AGXXVL"),
        (3, 2.4, "AGXVL"),  # C-N 2.8
        (8, 2.3, "AGVL"),  # a poor bond is a bond, C-N 2.4
    ],
)
def test_an_unresolved_break_is_sized_by_number_else_by_distance(
    read: Read, label: int | str, place: float, sequence: str
) -> None:
    head = residue("ALA", 1, 0) + residue("GLY", 2, 1)
    chain = read(head, residue("VAL", label, place), residue("LEU", 50, place + 1))["A"]
    assert chain.sequence == sequence
    assert chain.missing_unresolved == sequence.count("X")
    assert chain.gaps == ("X" in sequence)


def test_seqres_fills_breaks_whatever_the_numbers_say(read: Read) -> None:
    seqres = "SEQRES   1 A    8  MET ALA GLY SER MSE VAL LEU NH2\n"
    tail = residue("VAL", 90, 7) + residue("LEU", 91, 8)
    chain = read(seqres, residue("ALA", 1, 0), residue("GLY", 2, 1), tail)["A"]
    assert (chain.sequence, chain.missing_recovered, chain.gaps_recovered) == ("AGSMVL", 2, 1)
    assert chain.positions[90, ""] == 4


def test_residues_that_lack_backbone_atoms_are_kept_and_joined(read: Read) -> None:
    lines = [residue("ALA", 1, 0), residue("GLY", 2, 1, atoms="N CA"), residue("VAL", 3, 2)]
    chain = read(*lines, residue("LEU", 4, 3, atoms="N"), residue("TRP", 5, 3.7, atoms="C"))["A"]
    assert (chain.sequence, chain.observed, chain.gaps) == ("AGVLW", 5, 0)


def test_of_two_residues_at_one_place_the_more_occupied_stands(read: Read) -> None:
    def site(first: float, second: float) -> str:
        a = residue("SER", 2, 1, alternate="A", occupancy=first)
        return a + residue("THR", 2, 1, alternate="B", occupancy=second)

    ends = residue("ALA", 1, 0), residue("VAL", 3, 2)
    found = [read(ends[0], site(*weights), ends[1])["A"] for weights in ((0.6, 0.4), (0.4, 0.6), (0.5, 0.5))]
    assert [chain.sequence for chain in found] == ["ASV", "ATV", "ASV"]
    assert found[0].observed == 3


def test_a_modified_form_of_a_residue_is_an_alternate_too(read: Read) -> None:
    forms = residue("MET", 2, 1, alternate="A", occupancy=0.3)
    forms += residue("MSE", 2, 1, alternate="B", occupancy=0.7, record="HETATM")
    chain = read(residue("ALA", 1, 0), forms, residue("VAL", 3, 2))["A"]
    assert (chain.sequence, chain.modified, chain.observed) == ("AMV", 1, 3)


def test_two_residues_of_one_number_are_an_error(read: Read) -> None:
    with pytest.raises(StructureError, match=r"made.pdb: residue 2 of chain A occurs twice"):
        read(residue("ALA", 1, 0), residue("SER", 2, 1), residue("THR", 2, 2))


def test_modified_residues_have_the_letter_of_their_parent(read: Read) -> None:
    modres = "MODRES 1ABC ZZZ A    2  LYS  MADE UP\nMODRES 1ABC SEP A    3  TYR  AGAINST THE DICTIONARY\n"
    names = ("ALA", "ZZZ", "SEP", "TPO", "DVA", "QQQ", "GLY")
    lines = [residue(name, i, i, record="ATOM" if i in (0, 6) else "HETATM") for i, name in enumerate(names)]
    # The last one is bonded to nothing, but MODRES names it.
    chain = read(modres, *lines, residue("ZZZ", 9, 9, record="HETATM"))["A"]
    assert chain.sequence == "AKYTVXGXXK"
    assert (chain.modified, chain.d_residues, chain.unknown, chain.observed) == (4, 1, 1, 8)


def test_what_is_not_in_the_polymer_is_no_residue(read: Read) -> None:
    chain = read(
        residue("ACE", 0, -1, record="HETATM", atoms="C"),
        residue("ALA", 1, 0),
        residue("SEP", 2, 1, record="HETATM"),
        residue("NH2", 3, 2, record="HETATM", atoms="N"),
        residue("GLY", 1, 40, record="HETATM"),  # a free amino acid, with the number of a residue
        residue("CA", 2, 50, record="HETATM", atoms="CA"),
        residue("CA", 6, 51, atoms="CA"),
        residue("HOH", 7, 60, record="HETATM", atoms=""),
    )
    assert list(chain) == ["A"]
    assert (chain["A"].sequence, chain["A"].observed) == ("AS", 2)


def test_only_the_first_model_is_read(read: Read) -> None:
    first, second = residue("ALA", 1, 0), residue("GLY", 1, 0) + residue("GLY", 1, 0, chain="B")
    chains = read("MODEL        1\n", first, "ENDMDL\nMODEL        2\n", second, "ENDMDL\n")
    assert {name: chain.sequence for name, chain in chains.items()} == {"A": "A"}


def test_a_chain_of_nucleic_acid_is_left_out(read: Read) -> None:
    nucleotide = residue("DA", 1, 0, chain="B", atoms="N").replace(" N   ", " N9  ")
    assert list(read(nucleotide, residue("ALA", 1, 0))) == ["A"]
    with pytest.raises(StructureError, match="no protein chain"):
        read(nucleotide)


def test_damaged_files_say_where(tmp_path: Path, read: Read) -> None:
    whole = residue("ALA", 1, 0) + residue("GLY", 2, 1)
    with pytest.raises(StructureError, match=r"made.pdb: line 8 .*coordinate"):
        read("HEADER\nREMARK\n", whole[:-35], "\n", whole)
    with pytest.raises(StructureError, match=r"made.pdb: the file is truncated: line 6"):
        read(whole[:-10])
    with pytest.raises(StructureError, match="line 6"):
        read(whole[:-45])
    with pytest.raises(StructureError, match="line 1 "):
        read(whole.replace("   1    ", "   ?    ", 1))
    with pytest.raises(StructureError, match="not a valid position"):
        read(whole.replace("   0.000", "     nan", 1))
    with pytest.raises(StructureError, match="is empty"):
        read("\n")
    with pytest.raises(StructureError, match=r"absent.pdb: no such file"):
        read_structure(tmp_path / "absent.pdb")


def test_damaged_gzip_and_mmcif_files_are_named(tmp_path: Path) -> None:
    packed = (REAL / "1A8O.cif.gz").read_bytes()
    cif = gzip.decompress(packed)
    damaged = {
        "cut.pdb.gz": (REAL / "1A8O.pdb.gz").read_bytes()[:2000],
        "plain.pdb.gz": b"ATOM",
        "atoms.cif": cif[: cif.index(b"ATOM   ") + 1000],
        "column.cif": cif.replace(b"_atom_site.label_seq_id", b"_atom_site.other"),
        "quote.cif": cif.replace(b" MSE n", b"'MSE n", 1),
        "number.cif": cif.replace(b"ATOM   ", b"ATOM 1 ", 1),
        "nothing.cif": b"data_1A8O\n#\n",
    }
    messages = {}
    for name, data in damaged.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(StructureError, match=name) as caught:
            read_structure(tmp_path / name)
        messages[name] = str(caught.value)
    assert "line 90: Wrong number of values in loop _atom_site" in messages["atoms.cif"]
    assert messages["column.cif"].endswith("the table _atom_site lacks label_seq_id")


def test_mmcif_files_may_have_a_second_block_and_any_letters(tmp_path: Path) -> None:
    cif = gzip.decompress((REAL / "1A8O.cif.gz").read_bytes())
    path = tmp_path / "more.cif"
    path.write_bytes(cif + b"_struct.title 'pH 7 at 4 \xb0C'\ndata_MSE\n_chem_comp.id MSE\n")
    assert read_structure(path) == read_structure(REAL / "1A8O.cif.gz")


def test_structures_are_found_as_published(tmp_path: Path) -> None:
    published = (
        "PDB/SKEMPI v2.0/1ABC.pdb",
        "PDB/SAbDab/1abc.pdb",
        "PDBbind v2020/1abc.ent.pdb",
        "ATLAS/1ABC.cif.gz",
        "Another one/1abc.ent",
    )
    for name in published:
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.touch()
        for pdb in ("1ABC", "1abc"):
            assert find_structure(tmp_path, path.parent.name, pdb) == path
    (tmp_path / "ATLAS" / "1ABC.pdb").touch()
    assert find_structure(tmp_path, "ATLAS", "1abc") == tmp_path / "ATLAS" / "1ABC.pdb"
    assert find_structure(tmp_path, "ATLAS", "2ABC") is None
    assert find_structure(tmp_path, "Affinity Benchmark v5.5", "1ABC") is None


def test_many_files_are_read_alike_by_one_process_and_by_two(tmp_path: Path) -> None:
    paths = [tmp_path / f"{index}.pdb" for index in range(33)]
    for index, path in enumerate(reversed(paths)):
        if index != 5:
            path.write_text(residue("ALA" if index % 2 else "GLY", index, 0))
    serial, parallel = read_structures(paths, 1), read_structures([*paths, paths[0]], 2)
    assert list(serial) == list(parallel) == paths
    errors = [path for path, found in parallel.items() if isinstance(found, StructureError)]
    assert errors == [tmp_path / "27.pdb"]
    assert str(serial.pop(errors[0])) == str(parallel.pop(errors[0]))
    assert serial == parallel
