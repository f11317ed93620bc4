"""Which mutants are scanned, how they are written, and what a structure calls their residues."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from Bio.PDB.mmcifio import MMCIFIO
from Bio.PDB.PDBParser import PDBParser
from Bio.SeqUtils import seq3
from made_structures import residue, write_structure

from data_curation.structures.chains import read_structure
from ppi.complexes import Complex
from ppi.effects.mutations import Mutation
from ppi.errors import InputError
from ppi.prediction.scanning.choice import MOST_PAIRS, Choice
from ppi.prediction.scanning.dms_viz import read_pdb_text
from ppi.prediction.scanning.labels import ChainLabels, label_chains, residue_name
from ppi.prediction.scanning.notation import parse_sites, parse_variant

HEAVY, LIGHT, ANTIGEN = "EVQLVESGGYWDSTK", "DIQMTQSPSSLSA", "KVFGRCELAAAMKRHGLDNY"
WILD = Complex("mine", (HEAVY, LIGHT), (ANTIGEN,))
#: Numbers of the heavy chain: an insertion code after 100, and a jump.
NUMBERS = [*range(94, 101), "100A", "100B", *range(101, 104), *range(110, 113)]


@pytest.fixture(scope="module")
def structure(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with chains H, L and Y; the second residue of the antigen was not observed."""
    path = tmp_path_factory.mktemp("structure") / "made.pdb"
    chains = {"H": (HEAVY, NUMBERS), "L": (LIGHT, range(1, 99)), "Y": (ANTIGEN, range(-1, 99))}
    path.write_text(
        "".join(
            residue(seq3(letter).upper(), number, place, chain=name)
            for name, (sequence, numbers) in chains.items()
            for place, (letter, number) in enumerate(zip(sequence, numbers, strict=False))
            if (name, place) != ("Y", 1)
        )
    )
    return path


@pytest.fixture(scope="module")
def labels(structure: Path) -> tuple[ChainLabels, ...]:
    return label_chains(WILD, {}, read_structure(structure))


@pytest.fixture
def plain() -> tuple[ChainLabels, ...]:
    return label_chains(WILD, {"ligand": ("H", "L")})


def test_every_single_mutant_is_scanned_once_and_no_null_mutant(plain: tuple[ChainLabels, ...]) -> None:
    variants = Choice().variants(WILD, plain)
    assert len(variants) == len(set(variants)) == 19 * (len(HEAVY) + len(LIGHT) + len(ANTIGEN))
    assert all(len(variant) == 1 and variant[0].wild != variant[0].mutant for variant in variants)


def test_alanine_scan_leaves_alanines_and_unknown_residues_out() -> None:
    wild = Complex("odd", ("AXGA",), ("W",))
    variants = Choice(alanine=True).variants(wild, label_chains(wild, {}))
    assert [str(variant[0]) for variant in variants] == ["ligand:1:G3A", "receptor:1:W1A"]
    assert len(Choice().variants(wild, label_chains(wild, {}))) == 4 * 19
    only = Complex("odd", ("AX",), ("W",))
    with pytest.raises(InputError, match="no residue to mutate"):
        Choice(("ligand",), alanine=True).variants(only, label_chains(only, {}))


def test_pairs_are_all_double_mutants_of_the_sites(plain: tuple[ChainLabels, ...]) -> None:
    sites = ("ligand:1:2", "ligand:2:3", "receptor:1:1")
    variants = Choice(sites, pairs=True).variants(WILD, plain)
    assert len(set(variants)) == 3 * 19**2
    assert all(len({mutation.site for mutation in variant}) == 2 for variant in variants)
    assert len(Choice(sites, pairs=True, alanine=True).variants(WILD, plain)) == 3
    assert len(Choice(("H:1-2",), pairs=True).variants(WILD, _numbered(plain))) == 19**2


def _numbered(labels: tuple[ChainLabels, ...]) -> tuple[ChainLabels, ...]:
    return tuple(
        ChainLabels(
            label.side,
            label.chain,
            label.residues,
            label.name,
            tuple(map(str, range(1, 1 + len(label.residues)))),
        )
        for label in labels
    )


def test_too_many_pairs_are_refused_with_their_number(plain: tuple[ChainLabels, ...]) -> None:
    count = 48 * 47 // 2 * 19**2
    with pytest.raises(InputError, match=rf"48 sites have {count:,} double mutants; at most {MOST_PAIRS:,}"):
        Choice(("ligand", "receptor"), pairs=True).variants(WILD, plain)


def test_what_cannot_go_together_is_refused() -> None:
    with pytest.raises(InputError, match="mutants are given beside sites"):
        Choice(mutants=("ligand:1:E1A",), alanine=True)
    with pytest.raises(InputError, match="pairs need sites"):
        Choice(pairs=True)
    with pytest.raises(InputError, match="two sites or more"):
        Choice(("ligand:1:1",), pairs=True).variants(WILD, label_chains(WILD, {}))


@pytest.mark.parametrize(
    ("text", "site"),
    [
        ("ligand:1:E1A", ("ligand", 1, 1)),
        ("H:E94A", ("ligand", 1, 1)),
        ("H:G100AA", ("ligand", 1, 8)),
        ("H:G100bA", ("ligand", 1, 9)),
        ("H:1:E:A", ("ligand", 1, 1)),
        ("Y:K-1A", ("receptor", 1, 1)),
        ("Y:2:V:A", ("receptor", 1, 2)),
        ("H:T111A", ("ligand", 1, 14)),
    ],
)
def test_all_notations_name_the_same_residues(
    labels: tuple[ChainLabels, ...], text: str, site: tuple[str, int, int]
) -> None:
    (mutation,) = parse_variant(text, WILD, labels)
    assert mutation.site == site
    assert mutation.mutant == "A"


def test_several_mutations_are_joined_by_a_plus(plain: tuple[ChainLabels, ...]) -> None:
    found = parse_variant("receptor:1:K1A+ligand:2:D1A", WILD, plain)
    assert found == (Mutation("ligand", 2, 1, "D", "A"), Mutation("receptor", 1, 1, "K", "A"))
    with pytest.raises(InputError, match="change the same position"):
        parse_variant("H:1:E:A+H:1:E:G", WILD, plain)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("H:Y94A", r"residue there is E, not Y \(neighbours \[94:E\] 95:V 96:Q\)"),
        ("H:E107A", "chain H has no residue 107; it has 94 to 112, nearest .*103:D"),
        ("Z:E94A", "there is no chain Z; its chains are H, L, Y"),
        ("H:99:E:A", "99 is no position of ligand chain 1; it has 15 residues"),
        ("H:2:E:A", r"residue there is V, not E \(neighbours 1:E \[2:V\] 3:Q 4:L\)"),
        ("ligand:1:Y1A", r"position 1 is E, not Y \(neighbours \[1:E\] 2:V 3:Q\)"),
        ("H:E94E", "the mutant equals the wild type"),
        ("nonsense", "is no mutation"),
    ],
)
def test_mutations_that_do_not_fit_are_refused(
    labels: tuple[ChainLabels, ...], text: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        parse_variant(text, WILD, labels)


def test_notation_is_checked_before_there_is_a_complex() -> None:
    assert Choice.of("H:95-102", (), alanine=False, pairs=False).sites == ("H:95-102",)
    texts = ("H102A", "ligand:1:H102A + H:Y100aA", "H:101:Y:A")
    assert Choice.of((), texts, alanine=False, pairs=False).mutants == texts
    for wrong in ("H:95", "ligand:1:H102A+", "ligand:H102A:1"):
        with pytest.raises(InputError, match=r"is no mutation; write ligand:1:H102A .*joined by \+"):
            Choice.of((), wrong, alanine=False, pairs=False)
    for number in (5, [5]):
        with pytest.raises(InputError, match="the mutant 5 is of type int, but it must be a text: write"):
            Choice.of((), number, alanine=False, pairs=False)
        with pytest.raises(InputError, match="the site 5 is of type int, but it must be a text: write"):
            Choice.of(number, (), alanine=False, pairs=False)
    with pytest.raises(InputError, match="names a position but no chain"):
        Choice(("ligand:5-9",))


@pytest.mark.parametrize(
    "text", ["H:2:E:A", "H:99:E:A", "Z:1:E:A", "ligand:1:Y1A", "ligand:3:Y1A", "H:E107A"]
)
def test_what_does_not_fit_names_the_complex(labels: tuple[ChainLabels, ...], text: str) -> None:
    with pytest.raises(InputError, match=f"complex {WILD.id!r}: "):
        Choice(mutants=(text,)).variants(WILD, labels)


@pytest.mark.parametrize("text", ["ligand:1:99", "ligand:3", "Z", "H:107"])
def test_sites_that_do_not_fit_name_the_complex(labels: tuple[ChainLabels, ...], text: str) -> None:
    with pytest.raises(InputError, match=f"complex {WILD.id!r}: "):
        Choice((text,)).variants(WILD, labels)


def test_numbers_need_a_structure_and_names_need_names(plain: tuple[ChainLabels, ...]) -> None:
    with pytest.raises(InputError, match="residue number of a structure; give --structure"):
        parse_variant("H:E94A", WILD, plain)
    with pytest.raises(InputError, match="its chains have no names. Give --structure"):
        parse_variant("H:E94A", WILD, label_chains(WILD, {}))
    same = label_chains(WILD, {"ligand": ("A", "B"), "receptor": ("A",)})
    with pytest.raises(InputError, match="chain A is ligand chain 1 and receptor chain 1"):
        parse_variant("A:1:E:A", WILD, same)


def test_sites_are_sides_chains_positions_and_ranges(labels: tuple[ChainLabels, ...]) -> None:
    assert len(parse_sites("ligand", WILD, labels)) == len(HEAVY) + len(LIGHT)
    assert len(parse_sites("L", WILD, labels)) == len(parse_sites("ligand:2", WILD, labels)) == len(LIGHT)
    assert parse_sites("receptor:1:3-4", WILD, labels) == [("receptor", 1, 3), ("receptor", 1, 4)]
    assert [site[2] for site in parse_sites("H:100-101", WILD, labels)] == [7, 8, 9, 10]
    assert parse_sites("Y:-1", WILD, labels) == [("receptor", 1, 1)]
    for text, message in {
        "ligand:1:16": "16 is no position",
        "ligand:3": r"the ligand has 2 chain\(s\)",
        "ligand:5-9": "names a position but no chain",
        "H:103-101": "ends before it begins",
        "receptor:1:0": "0 is no position",
        "!": "names no site",
    }.items():
        with pytest.raises(InputError, match=message):
            parse_sites(text, WILD, labels)


def test_names_of_residues_can_be_given_as_sites(
    labels: tuple[ChainLabels, ...], plain: tuple[ChainLabels, ...]
) -> None:
    for label in (*labels, *plain):
        for position, letter in enumerate(label.residues, start=1):
            number = label.number(position)
            row = {"side": label.side, "chain": label.chain, "position": position}
            name = residue_name(row | {"chain_name": label.name, "author_number": number}, letter)
            first, _, other = name.partition(" ")
            assert parse_sites(first, WILD, labels) == [(label.side, label.chain, position)]
            known = " ".join(filter(None, [label.name, number]))
            assert other == (f"({known})" if known else "")
            if number:
                by_number = f"{label.name}:{letter}{number}"
                assert parse_sites(by_number, WILD, labels) == [(label.side, label.chain, position)]
    wrong = "W" if HEAVY[0] != "W" else "A"
    for text in (f"ligand:1:{wrong}1", f"H:{wrong}{NUMBERS[0]}"):
        with pytest.raises(InputError, match=f"{text}.*the residue there is {HEAVY[0]}, not {wrong}"):
            parse_sites(text, WILD, labels)


def test_observed_residues_have_numbers_and_others_none(labels: tuple[ChainLabels, ...]) -> None:
    heavy, light, antigen = labels
    assert [label.name for label in labels] == ["H", "L", "Y"]
    assert heavy.numbers == tuple(map(str, NUMBERS))
    assert antigen.numbers[:3] == ("-1", None, "1")
    assert light.position("13") == 13


def test_chains_are_placed_onto_longer_and_mutated_ones(structure: Path) -> None:
    chains = read_structure(structure)
    wild = Complex("part", (ANTIGEN[4:],), ("GSGS" + LIGHT,))
    antigen, light = label_chains(wild, {}, chains)
    assert (antigen.name, antigen.numbers[0]) == ("Y", "3")
    assert (light.name, light.numbers[:5]) == ("L", (None, None, None, None, "1"))
    changed = Complex("changed", (ANTIGEN[:10] + "W" + ANTIGEN[11:],), (LIGHT,))
    assert label_chains(changed, {}, chains)[0].number(11) == "9"
    unknown = Complex("unknown", ("XXXXX" + ANTIGEN[5:],), (LIGHT,))
    assert label_chains(unknown, {}, chains)[0].number(6) == "4"


def test_a_chain_of_one_residue_takes_no_long_chain(structure: Path) -> None:
    chains = read_structure(structure)
    short = Complex("short", (ANTIGEN[0],), (ANTIGEN,))
    assert label_chains(short, {}, chains)[1].name == "Y"
    named = Complex("named", (LIGHT,), (LIGHT[:9],))
    with pytest.raises(InputError, match="ligand chain 1 is not in the structure"):
        label_chains(named, {"receptor": ("L",)}, chains)


def test_a_chain_that_the_structure_lacks_is_refused(structure: Path) -> None:
    other = Complex("other", (HEAVY,), ("MKWVTFISLLFLFSSAYS",))
    with pytest.raises(InputError, match=r"receptor chain 1 is not in the structure; .*L \(\d+%\)"):
        label_chains(other, {}, read_structure(structure))


def test_two_copies_of_a_chain_get_a_chain_of_the_structure_each(tmp_path: Path) -> None:
    path = write_structure(tmp_path, "made", "1ABC", {"A": LIGHT, "B": LIGHT}, {"B": 201})
    wild = Complex("dimer", (LIGHT,), (LIGHT,))
    first, second = label_chains(wild, {}, read_structure(path))
    assert (first.name, first.number(1), second.name, second.number(1)) == ("A", "1", "B", "201")
    named = label_chains(wild, {"ligand": ("B",), "receptor": ("A",)}, read_structure(path))
    assert [label.number(1) for label in named] == ["201", "1"]
    assert len(Choice(("ligand",)).variants(wild, named)) == 19 * len(LIGHT)


def test_names_must_be_as_many_as_chains() -> None:
    with pytest.raises(InputError, match=r"the ligand has 2 chain\(s\), but 1 name"):
        label_chains(WILD, {"ligand": ("H",)})


def test_mmcif_files_give_the_same_numbers(structure: Path, tmp_path: Path) -> None:
    parser, writer = PDBParser(QUIET=True), MMCIFIO()
    writer.set_structure(parser.get_structure("made", structure))
    writer.save(str(tmp_path / "made.cif"))
    heavy, _, antigen = label_chains(WILD, {}, read_structure(tmp_path / "made.cif"))
    assert heavy.numbers == tuple(map(str, NUMBERS))
    assert antigen.numbers[:3] == ("-1", None, "1")
    with pytest.raises(InputError, match=r"made\.cif: dms-viz takes structures in PDB format"):
        read_pdb_text(tmp_path / "made.cif")
    packed = tmp_path / "made.pdb.gz"
    packed.write_bytes(gzip.compress(structure.read_bytes()))
    assert read_pdb_text(packed) == structure.read_text()
