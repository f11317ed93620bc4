"""A screen: the numbers of `predict`, resumed to the same bytes, and nothing half written."""

from __future__ import annotations

import io
import random as standard_random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import REPOSITORY, random_chain

import ppi
from data_curation.errors import OutputError
from ppi.cli import main
from ppi.embedding.cache import EmbeddingCache
from ppi.engines import ray as ray_engine
from ppi.errors import InputError
from ppi.io.sides import Side
from ppi.io.tables import read_complexes
from ppi.prediction.screening import preparation as preparation_module
from ppi.prediction.screening import run as run_module
from ppi.prediction.screening import targets as targets_module
from ppi.prediction.screening.output import COLUMNS, write_part
from ppi.prediction.screening.preparation import Record, SideReader
from ppi.prediction.screening.run import Screen
from ppi.prediction.screening.scoring import JoiningScorer, pair_of
from ppi.prediction.screening.settings import ScreenSettings

#: Lets a screen be killed between many blocks.
#: Sizes of the fixture `sides`.
LIGANDS, RECEPTORS = 11, 7
PAIRS = LIGANDS * RECEPTORS

SMALL_BLOCKS = """
import time
from ppi.prediction.screening import run, targets
from ppi.cli import main
targets.BLOCK_PAIRS = 12
write = run.write_part
run.write_part = lambda *given: (write(*given), time.sleep(0.05))
main({words!r})
"""


@pytest.fixture(scope="module")
def shipped() -> ppi.Predictor:
    return ppi.Predictor()


@pytest.fixture(scope="module")
def small(model_path: Path) -> ppi.Predictor:
    """A model whose head looks at both sides."""
    return ppi.Predictor(model_path)


@pytest.fixture(scope="module")
def sides() -> tuple[list[Side], list[Side]]:
    """Sides of measured complexes, mutants of one, an oddity, a homodimer and random chains."""
    random = np.random.default_rng(5)
    known = [
        read_complexes(REPOSITORY / "examples" / f"{name}.fasta").complexes[0]
        for name in ("barnase_barstar", "hyhel10_lysozyme", "hgh_receptor")
    ]
    ligands = [Side(item.id, item.ligand) for item in known]
    receptors = [Side(item.id, item.receptor) for item in known]
    (barstar,) = known[0].receptor
    receptors += [Side("D39A", (barstar[:38] + "A" + barstar[39:],)), Side("glycines", ("G" * 60,))]
    receptors += [Side("same", ligands[0].chains), Side("deletion", (barstar[:40] + barstar[46:],))]
    ligands += [Side(f"random{number}", (random_chain(random, 40),)) for number in range(8)]
    return ligands, receptors


def assert_as_predicted(predictor: ppi.Predictor, table: pd.DataFrame, *both: list[Side]) -> None:
    pairs = [pair_of(ligand, receptor) for ligand in both[0] for receptor in both[1]]
    expected = predictor.predict(pairs).set_index("id")
    names = table["ligand"] + "|" + table["receptor"]
    assert sorted(names) == sorted(expected.index)
    columns = [name for name in COLUMNS if name in expected]
    found = table.set_index(names)[columns].loc[expected.index]
    pd.testing.assert_frame_equal(
        found, expected[columns], rtol=0, atol=1e-5, check_dtype=False, check_names=False
    )


@pytest.mark.parametrize("per", ["receptor", "ligand"])
def test_numbers_are_those_of_predict(
    per: str, shipped: ppi.Predictor, sides: tuple[list[Side], list[Side]]
) -> None:
    table = shipped.screen(*sides, settings=ScreenSettings(per=per))
    assert list(table.columns) == list(COLUMNS)
    assert_as_predicted(shipped, table, *sides)
    anchored = table[table["anchors"] > 0]
    # Each true pair, and the mutant of one.
    assert set(zip(anchored["ligand"], anchored["receptor"], strict=True)) >= {
        ("barnase_barstar", "barnase_barstar"),
        ("barnase_barstar", "D39A"),
        ("hyhel10_lysozyme", "hyhel10_lysozyme"),
    }
    noted = table[table["warnings"].str.contains("receptor lacks 6 residues inside", regex=False)]
    assert set(zip(noted["ligand"], noted["receptor"], strict=True)) == {("barnase_barstar", "deletion")}
    pools = table.groupby(per, sort=False)
    assert (pools["rank"].min() == 1).all()
    assert pools["pkd"].is_monotonic_decreasing.all()
    assert table["z_score"].isna().all() == (per == "ligand")  # 11 ligands a receptor, 7 receptors a ligand
    assert list(dict.fromkeys(table[per])) == [side.id for side in sides[per == "receptor"]]


def test_numbers_are_those_of_predict_where_the_head_looks_at_both_sides(
    small: ppi.Predictor, sides: tuple[list[Side], list[Side]]
) -> None:
    assert not small.trained.model.joins_sides
    assert_as_predicted(small, small.screen(*sides), *sides)


@pytest.mark.parametrize(("head", "joined"), [("ec", True), ("hp", True), ("pad", False), ("sc", False)])
def test_numbers_are_those_of_predict_for_every_head_below_a_read_out(
    head: str, joined: bool, sides: tuple[list[Side], list[Side]], table_path: Path, tmp_path: Path
) -> None:
    settings = ppi.TrainSettings(head=head, mixer="none", pooling="mean", readout="ridge", max_epochs=1)
    predictor = ppi.Predictor(ppi.train(table_path, output=tmp_path / "model", settings=settings))
    assert predictor.trained.model.joins_sides == joined
    assert_as_predicted(predictor, predictor.screen(*sides), *sides)


def test_long_sides_are_refused_or_shortened(
    table_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ppi.TrainSettings(head="hp", mixer="none", pooling="mean", readout="ridge", max_epochs=1)
    predictor = ppi.Predictor(ppi.train(table_path, output=tmp_path / "model", settings=settings))
    monkeypatch.setattr(predictor.trained.model.backbone, "max_residues", 60, raising=False)
    random = np.random.default_rng(7)
    long = Side("long", (random_chain(random, 100),))
    both = [Side("short", (random_chain(random, 30),)), long], [Side("other", (random_chain(random, 50),))]
    with pytest.raises(InputError, match="'long' has a chain of .* residues"):
        predictor.screen(*both)
    found = predictor.screen(*both, settings=ScreenSettings(truncate=True)).set_index("ligand")
    assert found["truncated"].to_dict() == {"short": False, "long": True}
    assert found.loc["long", "warnings"] == "shortened"
    pairs = [pair_of(ligand, both[1][0]) for ligand in both[0]]
    expected = predictor.predict(pairs, truncate=True)["pkd"]
    np.testing.assert_allclose(found.loc[["short", "long"], "pkd"], expected, rtol=0, atol=1e-5)


def test_numbers_are_those_of_predict_without_novelty(
    shipped: ppi.Predictor, sides: tuple[list[Side], list[Side]]
) -> None:
    predictor = ppi.Predictor(shipped.trained, novelty=False)
    table = predictor.screen(*sides)
    assert table["pair_identity"].isna().all()
    assert_as_predicted(predictor, table, *sides)


def test_each_side_goes_through_the_backbone_once(
    sides: tuple[list[Side], list[Side]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor, computed = ppi.Predictor(store=tmp_path), []
    compute = EmbeddingCache._compute

    def recorded(cache: EmbeddingCache, units: list[tuple[str, ...]]) -> object:
        # Measured neighbours have a cache of their own, for what they start from.
        computed.extend(units if cache is predictor.cache else [])
        return compute(cache, units)

    monkeypatch.setattr(EmbeddingCache, "_compute", recorded)
    predictor.screen(*sides)
    chains = {(chain,) for side in [*sides[0], *sides[1]] for chain in side.chains}
    assert sorted(computed) == sorted(chains)


@pytest.mark.slow
@pytest.mark.parametrize("per", ["receptor", "ligand"])
def test_how_pairs_are_shared_out_does_not_matter(
    per: str, shipped: ppi.Predictor, sides: tuple[list[Side], list[Side]], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ScreenSettings(per=per)
    expected = shipped.screen(*sides, settings=settings)
    assert (expected["anchors"] > 0).sum() >= 3
    monkeypatch.setattr(JoiningScorer, "at_once", 4)  # parts begin and end inside targets
    pd.testing.assert_frame_equal(shipped.screen(*sides, settings=settings, workers=3), expected, rtol=1e-9)


def test_a_list_of_pairs_gives_the_same_numbers(
    shipped: ppi.Predictor, sides: tuple[list[Side], list[Side]]
) -> None:
    pairs = [("random1", "D39A"), ("hgh_receptor", "glycines"), ("random0", "D39A")]
    table = shipped.screen(*sides, pairs=pairs)
    everything = shipped.screen(*sides)
    assert set(zip(table["ligand"], table["receptor"], strict=True)) == set(pairs)
    merged = table.merge(everything, on=["ligand", "receptor"])
    np.testing.assert_allclose(merged["pkd_x"], merged["pkd_y"], rtol=0, atol=1e-5)
    # A rank is among the pairs of the list.
    assert table.loc[table["receptor"] == "D39A", "rank"].tolist() == [1, 2]


def test_top_k_and_least_pkd_keep_the_best_of_each_target(
    small: ppi.Predictor, sides: tuple[list[Side], list[Side]]
) -> None:
    everything = small.screen(*sides)
    best = small.screen(*sides, settings=ScreenSettings(top_k=3))
    expected = everything.groupby("receptor", sort=False).head(3).reset_index(drop=True)
    pd.testing.assert_frame_equal(best, expected)
    least = float(everything["pkd"].median())
    strong = small.screen(*sides, settings=ScreenSettings(min_pkd=least))
    expected = everything[everything["pkd"] >= least].reset_index(drop=True)
    pd.testing.assert_frame_equal(strong, expected)
    assert small.screen(*sides, settings=ScreenSettings(min_pkd=19.0)).empty


@pytest.fixture(scope="module")
def files(sides: tuple[list[Side], list[Side]], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("sides")
    paths = [folder / "ligands.fasta", folder / "receptors.fasta"]
    for path, some in zip(paths, sides, strict=True):
        path.write_text("".join(f">{side.id}\n{':'.join(side.chains)}\n" for side in some))
    return paths


@pytest.mark.parametrize("suffix", [".parquet", pytest.param(".csv", marks=pytest.mark.slow)])
def test_a_killed_screen_is_continued_to_the_same_bytes(
    suffix: str, files: list[Path], model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets_module, "BLOCK_PAIRS", 12)
    words = [*map(str, files), "--per", "ligand", "--model", str(model_path), "--output"]
    straight, killed = tmp_path / f"straight{suffix}", tmp_path / f"killed{suffix}"
    main(["screen", *words, str(straight)])
    command = [sys.executable, "-c", SMALL_BLOCKS.format(words=["screen", *words, str(killed)])]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    work = tmp_path / f"killed{suffix}.unfinished"
    wanted = standard_random.randint(1, 4)
    while process.poll() is None and len(list(work.glob("part-*"))) < wanted:
        time.sleep(0.005)
    time.sleep(standard_random.uniform(0, 0.05))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL, process.stderr and process.stderr.read()
    assert not killed.exists()
    kept = {path: path.stat().st_mtime_ns for path in work.glob("part-*")}
    assert len(kept) >= wanted
    monkeypatch.setattr(run_module, "write_part", _refuse_known(write_part, kept))
    main(["screen", *words, str(killed), "--resume"])
    assert killed.read_bytes() == straight.read_bytes()
    assert not work.exists()
    assert sorted(tmp_path.iterdir()) == sorted([straight, killed])


def test_measured_neighbours_are_the_same_after_an_interruption(
    shipped: ppi.Predictor, files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets_module, "BLOCK_PAIRS", 12)
    straight, stopped = tmp_path / "straight.parquet", tmp_path / "stopped.parquet"
    shipped.screening(*files).write(straight, resume=False)
    interrupted(shipped, stopped, files, ScreenSettings(), after=1)
    # Another predictor knows nothing of what was predicted before.
    ppi.Predictor().screening(*files).write(stopped, resume=True)
    assert stopped.read_bytes() == straight.read_bytes()
    assert (pd.read_parquet(straight)["anchors"] > 0).sum() >= 3


def _refuse_known(write: object, known: dict[Path, int]) -> object:
    def checked(frame: pd.DataFrame, path: Path) -> None:
        assert path not in known, "a block was computed twice"
        write(frame, path)

    return checked


def interrupted(
    predictor: ppi.Predictor, output: Path, files: list[Path], settings: ScreenSettings, after: int = 0
) -> None:
    """Leave an unfinished screen, with so many finished blocks."""
    write, written = write_part, list[Path]()

    def stop(frame: pd.DataFrame, path: Path) -> None:
        if len(written) == after:
            raise KeyboardInterrupt
        write(frame, path)
        written.append(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "write_part", stop)
        with pytest.raises(KeyboardInterrupt):
            predictor.screening(*files, settings=settings).write(output, resume=False)


def test_an_unfinished_screen_is_not_mixed_with_another(
    small: ppi.Predictor, files: list[Path], tmp_path: Path
) -> None:
    output = tmp_path / "out.csv"
    interrupted(small, output, files, ScreenSettings(top_k=2))
    with pytest.raises(OutputError, match="out.csv.unfinished holds an unfinished screen; continue it with"):
        small.screening(*files).write(output, resume=False)
    with pytest.raises(InputError, match="of another screen: top_k was 2 and is 5. Give the same"):
        small.screening(*files, settings=ScreenSettings(top_k=5)).write(output, resume=True)
    with pytest.raises(InputError, match="ligands was '.*' and is '.*'; receptors was"):
        small.screening(*files[::-1], settings=ScreenSettings(top_k=2)).write(output, resume=True)
    done = small.screening(*files, settings=ScreenSettings(top_k=2)).write(output, resume=True)
    assert done.rows == len(pd.read_csv(output)) == 2 * RECEPTORS


def test_resume_without_anything_to_continue_begins(
    small: ppi.Predictor, files: list[Path], tmp_path: Path
) -> None:
    done = small.screening(*files).write(tmp_path / "out.tsv", resume=True)
    assert (done.pairs, done.rows) == (PAIRS, PAIRS)


def test_an_output_that_exists_is_not_touched(
    files: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.csv"
    output.write_text("mine")
    with pytest.raises(SystemExit, match="1"):
        main(["screen", *map(str, files), "--output", str(output), "--resume"])
    assert output.read_text() == "mine"
    assert "exists and is left as it is" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_a_finished_screen_has_nothing_to_continue(
    suffix: str,
    small: ppi.Predictor,
    files: list[Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / f"out{suffix}"
    small.screening(*files).write(output)
    before = output.read_bytes()
    main(["screen", *map(str, files), "--output", str(output), "--resume"])
    assert "is complete: there is nothing to continue" in capsys.readouterr().err
    assert output.read_bytes() == before
    with pytest.raises(SystemExit, match="1"):
        main(["screen", *map(str, files), "--output", str(output)])


def test_sides_that_were_read_before_an_interruption_are_not_read_again(
    shipped: ppi.Predictor, files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparation_module, "SIDE_RESIDUES", 200)
    straight, stopped = tmp_path / "straight.parquet", tmp_path / "stopped.parquet"
    shipped.screening(*files).write(straight)
    read, before, after = SideReader.__call__, list[Side](), list[Side]()

    def stopping(reader: SideReader, sides: list[Side]) -> Record:
        if len(before) > 2:
            raise KeyboardInterrupt
        before.extend(sides)
        return read(reader, sides)

    def counting(reader: SideReader, sides: list[Side]) -> Record:
        after.extend(sides)
        return read(reader, sides)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SideReader, "__call__", stopping)
        patch.setattr(Screen, "_checked", lambda *_: None)  # The estimate reads sides, too.
        with pytest.raises(KeyboardInterrupt):
            shipped.screening(*files).write(stopped)
        patch.setattr(SideReader, "__call__", counting)
        shipped.screening(*files).write(stopped, resume=True)
    assert before
    assert after
    assert not {side.chains for side in before} & {side.chains for side in after}
    assert stopped.read_bytes() == straight.read_bytes()


def test_one_side_comes_from_standard_input(
    files: list[Path],
    model_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from_file, from_input = tmp_path / "file.csv", tmp_path / "input.csv"
    options = ["--model", str(model_path), "--no-novelty", "--output"]
    main(["screen", *map(str, files), *options, str(from_file)])
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(files[0].read_bytes())))
    main(["screen", "-", str(files[1]), *options, str(from_input)])
    assert from_input.read_bytes() == from_file.read_bytes()
    with pytest.raises(SystemExit):
        main(["screen", "-", "-"])
    assert "ligands and receptors are both standard input" in capsys.readouterr().err


def test_an_output_that_appears_meanwhile_is_not_replaced(
    small: ppi.Predictor, files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, write = tmp_path / "out.csv", write_part

    def another(frame: pd.DataFrame, path: Path) -> None:
        write(frame, path)
        output.write_text("mine")

    monkeypatch.setattr(run_module, "write_part", another)
    with pytest.raises(OutputError, match="exists and is left as it is"):
        small.screening(*files).write(output)
    assert output.read_text() == "mine"
    output.unlink()
    assert small.screening(*files).write(output, resume=True).rows == PAIRS
    assert list(tmp_path.iterdir()) == [output]


def test_screens_beside_each_other_give_the_threads_back(
    small: ppi.Predictor, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    threads, both = [torch.get_num_threads()], threading.Barrier(2)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads[-1])
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    threads[0] = 8

    def advance(_: int) -> None:
        both.wait(30)

    def screen() -> None:
        screening = small.screening(*files, workers=2)
        screener = screening._screener(screening._prepare())
        list(screener.tables([(0,)], advance))

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(screen), pool.submit(screen)]:
            done.result()
    assert threads == [8, 4, 4, 8]


def test_a_full_disk_gives_one_line(small: ppi.Predictor, files: list[Path], tmp_path: Path) -> None:
    write, output = Path.write_text, tmp_path / "out.csv"

    def full(path: Path, *given: object, **options: object) -> int:
        if path.suffix == ".csv":
            raise OSError(28, "No space left on device")
        return write(path, *given, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(OutputError, match=r"out.csv.unfinished/part-.*: No space left on device"):
            small.screening(*files).write(output, resume=False)
    assert not output.exists()
    assert small.screening(*files).write(output, resume=True).rows == PAIRS


def test_a_screen_that_fails_at_once_leaves_nothing(
    small: ppi.Predictor, files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise InputError("a side is too long")

    monkeypatch.setattr(run_module, "prepare", broken)
    with pytest.raises(InputError, match="too long"):
        small.screening(*files).write(tmp_path / "out.csv", resume=False)
    assert not list(tmp_path.iterdir())


def test_the_estimate_alone_writes_nothing(
    files: list[Path], model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.parquet"
    main(["screen", *map(str, files), "--model", str(model_path), "--output", str(output), "--estimate"])
    text = capsys.readouterr().out
    assert f"{LIGANDS} ligands and {RECEPTORS} receptors in {PAIRS} pairs: about " in text
    assert f"of disk for at most {PAIRS} rows" in text
    assert not list(tmp_path.iterdir())


def test_the_estimate_names_a_wrong_suffix_before_anything_is_read(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="1"):
        main(["screen", "absent.fasta", "absent.fasta", "--output", "out.xlsx", "--estimate"])
    assert "out.xlsx: unknown suffix '.xlsx'; give .csv, .tsv, .parquet" in capsys.readouterr().err


def test_a_screen_that_takes_too_long_is_refused_before_it_starts(
    small: ppi.Predictor, files: list[Path], tmp_path: Path
) -> None:
    size = f"{LIGANDS} ligands and {RECEPTORS} receptors in {PAIRS} pairs"
    with pytest.raises(InputError, match=f"the screen is too large. {size}"):
        small.screening(*files, max_hours=1e-9).write(tmp_path / "out.csv", resume=False)
    assert not list(tmp_path.iterdir())


def test_the_command_prints_rows_without_an_output(
    files: list[Path], model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["screen", *map(str, files), "--model", str(model_path), "--top-k", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split(",") == list(COLUMNS)
    assert len(lines) == 1 + RECEPTORS


@pytest.mark.parametrize(
    "words",
    [
        ["screen", "absent.fasta", "absent.fasta"],
        ["embed", "absent.fasta"],
        ["study", "absent.yaml", "--output", "absent"],
    ],
    ids=lambda words: words[0],
)
def test_without_ray_the_engine_says_how_to_install_it(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_engine, "find_spec", lambda _: None)
    with pytest.raises(SystemExit, match="1"):
        main([*words, "--engine", "ray"])
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "ppi: error: the engine 'ray' needs Ray: pip install 'ppi-affinity[ray]'"
