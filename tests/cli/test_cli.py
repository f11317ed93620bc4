"""The command line as a person uses it: what it prints, writes and returns."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from conftest import REPOSITORY, random_complex

from heads.names import ATTENTIONS, MIXERS
from ppi.backbones.residue import ResidueBackbone
from ppi.cli import main
from ppi.io.predictions import COLUMNS
from ppi.io.tables import read_complexes

EXAMPLES = REPOSITORY / "examples"
ROWS = REPOSITORY / "tests" / "data" / "measured_rows.csv.gz"


def run(*words: object) -> int:
    """Return the exit code of the command line, in this process."""
    try:
        main([str(word) for word in words])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def start(*words: object) -> subprocess.CompletedProcess[str]:
    """Run the command line in a new process."""
    command = [sys.executable, "-c", "from ppi.cli import main; main()", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_an_interruption_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ppi.prediction.predictor.load_model", interrupt)
    assert run("predict", EXAMPLES / "barnase_barstar.fasta") == 130
    assert capsys.readouterr().err == "ppi: error: interrupted\n"


@pytest.mark.parametrize("name", ["barnase_barstar", "hyhel10_lysozyme", "hgh_receptor"])
def test_shipped_model_predicts_the_examples(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.csv"
    assert run("predict", EXAMPLES / f"{name}.fasta", "--output", output) == 0
    table = pd.read_csv(output)
    assert list(table.columns) == list(COLUMNS)
    assert table["id"].tolist() == [name]
    row = table.iloc[0]
    assert row["pkd_lower"] < row["pkd"] < row["pkd_upper"]
    assert 3 < row["pkd"] < 14
    assert row["kd_molar"] == pytest.approx(10 ** -row["pkd"], rel=1e-4)
    assert (row["novelty"], row["pair_identity"]) == ("familiar", pytest.approx(1, abs=0.1))
    assert "1 prediction written" in capsys.readouterr().err


def test_an_input_is_never_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, link = tmp_path / "table.csv", tmp_path / "link.csv"
    table.write_text("id,ligand,receptor,pkd,split\na,MKV,MKW,7,test\n")
    link.symlink_to(table)
    before = table.read_bytes()
    for words in (
        ["predict", table, "--output", link],
        ["predict", tmp_path, "--output", table],
        ["split", table, "--output", table],
        ["embed", table, "--backbone", "residue", "--output", tmp_path / "table.npz"],
    ):
        (tmp_path / "table.npz").unlink(missing_ok=True)
        if words[0] == "embed":
            (tmp_path / "table.npz").symlink_to(table)
        assert run(*words) == 1
        assert "it is the input file" in capsys.readouterr().err
        assert table.read_bytes() == before


def test_standard_input_and_several_files(
    tmp_path: Path, model_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = b"ID; Ligand ;receptor\na;MKV;MKW\n;;\nb;MKW;MKV\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(table))))
    assert run("predict", "-", "--model", model_path) == 0
    assert pd.read_csv(io.StringIO(capsys.readouterr().out))["id"].tolist() == ["a", "b"]
    (tmp_path / "1.fasta").write_text(">x|ligand text\nMKV\n>x|receptor\nMKW\n")
    pd.DataFrame({"id": ["y"], "Ligand": ["MKV"], "RECEPTOR": ["MKW"]}).to_excel(
        tmp_path / "2.xlsx", index=False
    )
    assert run("predict", tmp_path, "--model", model_path, "--no-novelty") == 0
    found = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert found["id"].tolist() == ["x", "y"]
    assert found["pkd"].nunique() == 1
    assert found["novelty"].isna().all()


def test_predictions_go_to_standard_output_by_default(
    model_path: Path, table_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("predict", table_path, "--model", model_path) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[0] == ",".join(COLUMNS)
    assert [line.split(",")[0] for line in captured.out.splitlines()[1:]] == [f"c{i}" for i in range(48)]
    assert captured.err == ""


def test_side_files(tmp_path: Path, model_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "l.fasta").write_text(">x\nMKVLA:GGSTW\n>y\nMKVLA\n")
    (tmp_path / "r.fasta").write_text(">x\nTTYKK\n>y\nTTYEE\n")
    sides = ("--ligand", tmp_path / "l.fasta", "--receptor", tmp_path / "r.fasta")
    assert run("predict", *sides, "--model", model_path) == 0
    assert [line.split(",")[0] for line in capsys.readouterr().out.splitlines()] == ["id", "x", "y"]


def test_train_evaluate_predict(tmp_path: Path, table_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = tmp_path / "s.yaml"
    settings.write_text("head: sc\nmixer: none\nmax_epochs: 1\n")
    model = tmp_path / "m"
    assert run("train", "--data", table_path, "--config", settings, "--seed", 4, "--output", model) == 0
    assert "seed: 4" in (model / "README.md").read_text()
    assert "head: sc" in (model / "README.md").read_text()
    capsys.readouterr()
    files = ("--output", tmp_path / "r.json", "--report", tmp_path / "report")
    assert run("evaluate", model, "--data", table_path, *files) == 0
    assert "| extra trees on composition |" in capsys.readouterr().out
    assert (tmp_path / "r.json").read_bytes() == (tmp_path / "report" / "report.json").read_bytes()
    assert (tmp_path / "report" / "report.html").exists()


def test_options_of_head_mixer_and_pooling(
    tmp_path: Path, table_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = ["train", "--recipe", "network", "--data", table_path, "--max-epochs", 1, "--head"]
    given = {
        "--head-options.per-side": "true",
        "--head-options.aggregation": "add",
        "--head-options.network": "false",
        "--head-options.lengths": "true",
        "--head-options.side-pooling-options.heads": 6,
        "--mixer-options.kernel": 5,
        "--pooling-options.heads": 4,
    }
    options = [word for pair in given.items() for word in pair]
    assert run(*train, "hp", "--output", tmp_path / "m", "--pooling", "multihead", *options) == 0
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    head = {"per_side": True, "aggregation": "add", "network": False, "lengths": True}
    assert config["head_options"] == {**head, "side_pooling_options": {"heads": 6}}
    assert (config["mixer_options"], config["pooling_options"]) == ({"kernel": 5}, {"heads": 4})
    assert run("predict", table_path, "--model", tmp_path / "m", "--output", tmp_path / "out.csv") == 0
    capsys.readouterr()
    other = ["--output", tmp_path / "other"]
    assert run(*train, "sc", *other, "--head-options.symmetric", "true") == 0
    assert "ligand and receptor changes nothing" in (tmp_path / "other" / "README.md").read_text()
    capsys.readouterr()
    assert run(*train, "hp", *other) == 1
    assert "the folder is not empty" in capsys.readouterr().err
    absent = ["--output", tmp_path / "absent"]
    assert run(*train, "hp", *absent, "--head-options.foo", 1) == 1
    assert "head hp has no option 'foo'; its options: aggregation, " in capsys.readouterr().err
    assert run(*train, "hp", *absent, "--pooling", "layers") == 1
    assert "pooling over layers needs at least two" in capsys.readouterr().err


@pytest.mark.usefixtures("every_pair_aligned")
def test_curate_prints_and_saves_the_funnel(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    published = "--protocol", "reference", "--minimum-chain-length", 40, "--allow-missing"
    assert run("curate", "--sequences", ROWS, "--output", tmp_path / "out", *published) == 0
    printed = capsys.readouterr().out
    assert "published_rows" in printed
    funnel = pd.read_csv(tmp_path / "out" / "funnel.csv").set_index("step")
    assert funnel["published_rows"].dropna().to_dict() == {
        "rows_read": 12062,
        "wild_type_mismatch": 12059,
        "absent_chain": 12048,
        "short_chain": 9295,
        "deduplicate": 8207,
        "split_reference_train": 6485,
        "split_reference_validation": 965,
        "split_reference_test": 757,
    }
    complexes = pd.read_parquet(tmp_path / "out" / "complexes.parquet")
    assert complexes["split_reference"].notna().all()
    assert len(complexes) == funnel["rows"]["deduplicate"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["predict", "absent.fasta"], 1, "absent.fasta: no such file"),
        (["predict"], 1, "either files of complexes, or both --ligand and --receptor"),
        (["predict", "x.fasta", "--ligand", "y.fasta"], 1, "either files"),
        (["predict", "x.fasta", "--output", "out.docx"], 1, "unknown suffix '.docx'"),
        (["predict", "x.fasta", "--output", "pyproject.toml/out.csv"], 1, "is a file, not a folder"),
        (["predict", REPOSITORY / "docs"], 1, "the folder has no FASTA, CSV, TSV, XLSX or Parquet file"),
        (["predict", "--ligand", EXAMPLES, "--receptor", EXAMPLES], 1, "this is a folder; give a file"),
        (["predict", EXAMPLES / "hgh_receptor.fasta", "--model", "absent"], 1, "no such model folder"),
        (["predict", EXAMPLES / "hgh_receptor.fasta", "--device", "tpu"], 1, "device 'tpu'"),
        (["evaluate", "--part", "holdout"], 1, "no row has split 'holdout'"),
        (
            ["train", "--output", "x", "--head", "foo"],
            1,
            "--head: there is no head 'foo'; choose one",
        ),
        (["train", "--output", "x", "--learning-rate", "-1"], 1, "--learning-rate: Input should be greater"),
        (["train", "--output", "x", "--tuning.method", "foo"], 2, "--tuning.method"),
        (["train", "--output", "x", "--hed", "hp"], 2, "Did you mean --head?"),
        (["train", "--output", "x", "--seed", "1.5"], 2, "--seed is 1.5, but it must be a whole number"),
        (["train", "--output", "x", "--recipe", "foo"], 1, "there is no recipe 'foo'; there are default, "),
        (["screen", "a", "b", "--top-k", "1.5"], 2, "--top-k is 1.5, but it must be a whole number"),
        (["embed", "x.csv", "--layers", "1", "--layers", "2.5"], 2, "--layers is 2.5, but it must be"),
        (["pretrain", "x.txt", "--output", "x", "--depth", "0", "--steps", "1"], 1, "--depth 0: give 1 or"),
        (["evaluate", "--recipe", "default"], 1, "--recipe is not for --protocol split"),
        (["info", "poolings", "foo"], 1, "there is no pooling 'foo'; choose one of attention, mean"),
        (["info", "recipes", "foo"], 1, "there is no recipe 'foo'"),
        (["train", "--output", "x", "--config", "absent.yaml"], 1, "absent.yaml: no such file"),
        (["train"], 2, "--output"),
        (["train", "--output", "x", "--backbone", "esm2-8"], 1, "'esm2-8'; did you mean esm2-8m"),
        (["embed"], 1, "give complexes to embed, --list or --prune"),
        (["embed", "x.csv", "--output", "x.txt"], 1, "unknown suffix '.txt'; use one of .npz, .h5, .parquet"),
        (["embed", "absent.csv"], 1, "absent.csv: no such file"),
        (["embed", "--prune", "absent"], 1, "no store 'absent'"),
        (["embed", "x.csv", "--device", "cpu,tpu"], 1, "device 'tpu'"),
        (["info", "weather"], 2, "backbones"),
        (["predikt"], 2, 'Did you mean "predict"'),
        (["curate", "--sequences", "absent.csv", "--output", "x"], 1, "absent.csv: no such file"),
    ],
)
def test_wrong_use_is_one_line(
    words: list[object], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("ppi: error: ")
    assert captured.err.count("\n") == 1
    assert message in captured.err


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "the file is empty"), (">a|ligand\nMKV\n", "no receptor"), (">a\nMKV\n", "another form")],
)
def test_unfit_fasta_is_one_line(
    tmp_path: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.fasta").write_text(text)
    assert run("predict", tmp_path / "in.fasta") == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_an_unforeseen_error_is_one_line_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def explode(*_: object, **__: object) -> None:
        raise RuntimeError("out of\nmemory")

    monkeypatch.setattr("ppi.prediction.predict.predict", explode)
    assert run("predict", EXAMPLES / "hgh_receptor.fasta") == 1
    assert capsys.readouterr().err == "ppi: error: RuntimeError: out of memory (--debug shows where)\n"


def test_unfit_fasta_is_named_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "in.fasta"
    path.write_text(">a|ligand\nAAA:\n>a|receptor\nMKV\n")
    assert run("predict", path, "--output", tmp_path / "out.csv") == 1
    assert f"{path}, line 1, record '>a|ligand', chain 2 is empty" in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_permission(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    code = run("predict", EXAMPLES / "hgh_receptor.fasta", "--output", tmp_path / "locked" / "out.csv")
    assert code == 1
    assert "is not writable" in capsys.readouterr().err


def test_debug_shows_the_traceback() -> None:
    done = start("curate", "--sequences", "absent.csv", "--output", "x", "--debug")
    assert "Traceback" in done.stderr
    assert "absent.csv: no such file" in done.stderr


def test_nucleotide_warning_is_one_line(tmp_path: Path, model_path: Path) -> None:
    path = tmp_path / "in.fasta"
    path.write_text(f">a|ligand\n{5 * 'acgt'}\n>a|receptor\nMKV\n")
    done = start("predict", path, "--model", model_path)
    assert done.returncode == 0
    assert done.stderr.startswith("ppi: warning: ")
    assert done.stderr.count("\n") == 1


def test_version_and_help_import_nothing_heavy() -> None:
    heavy = ("torch", "lightning", "pandas", "sklearn", "transformers")
    helps = ("--help", "train --help", "predict --help", "study --help", "pretrain --help")
    calls = (*helps, "--version", "info recipes")
    code = "import sys; from ppi.cli import app\n"
    for words in calls:
        code += f"app({words!r}); print({words!r}, 'loads', [m for m in {heavy} if m in sys.modules])\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for words in calls:
        assert f"{words} loads []" in done.stdout.splitlines()


@pytest.mark.parametrize("verb", ["curate", "embed", "info", "train", "evaluate", "predict", "scan", "study"])
def test_scripts_are_the_same_doors(
    verb: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    script = REPOSITORY / "scripts" / f"{verb}.py"
    monkeypatch.setattr("sys.argv", [str(script), "--help"])
    runpy.run_path(str(script), run_name="__main__")
    printed = capsys.readouterr().out
    assert run(verb, "--help") == 0
    assert printed == capsys.readouterr().out
    assert f"ppi {verb}" in printed


def test_a_script_runs_in_a_process_of_its_own() -> None:
    command = [sys.executable, REPOSITORY / "scripts" / "predict.py", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "ppi predict" in done.stdout


@pytest.mark.usefixtures("every_pair_aligned")
def test_split_and_audit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "mine.csv"
    shipped = pd.read_parquet(REPOSITORY / "ppi" / "datasets" / "complexes.parquet")
    shipped.drop(columns=["split_reference", "split_strict", "fold"]).iloc[::200].to_csv(table, index=False)
    split = tmp_path / "split.csv"
    assert run("split", table, "--protocol", "strict", "--ratios", 0.6, 0.2, 0.2, "--output", split) == 0
    assert "sha256" in capsys.readouterr().out
    assert list(pd.read_csv(split)["id"]) == list(shipped["id"].iloc[::200])
    assert run("audit", table, "--split", split, "--output", tmp_path / "audit") == 0
    printed = capsys.readouterr().out
    assert "strict_violation" in printed
    assert "per cent of complexes; chain_30: with a chain 30 % or more identical" in printed
    assert {path.name for path in (tmp_path / "audit").iterdir()} == {
        "audit.json",
        "audit.html",
        "audit_rows.csv",
    }
    assert run("audit", table, "--split", tmp_path / "absent.csv") == 1
    assert run("split", table, "--protocol", "loose", "--output", split) == 2


@pytest.mark.usefixtures("every_pair_aligned")
def test_split_of_a_small_table_says_which_ratios_training_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(0)
    complexes = [random_complex(random, f"c{index}") for index in range(60)]
    rows = [(item.id, item.ligand[0], item.receptor[0], item.pkd) for item in complexes]
    table, split = tmp_path / "mine.csv", tmp_path / "split.csv"
    pd.DataFrame(rows, columns=["id", "ligand", "receptor", "pkd"]).to_csv(table, index=False)
    train = ["train", "--data", table, "--split", split, "--recipe", "network", "--head", "hp"]
    train += ["--mixer", "none"]
    train += ["--max-epochs", "1", "--output", tmp_path / "model"]
    assert run("split", table, "--output", split) == 0
    warned = capsys.readouterr().err
    assert run(*train) == 1
    refused = capsys.readouterr().err
    assert "`ppi train` needs at least 9 groups" in warned
    assert "at least 9 groups of them" in refused
    ratios = [re.search(r"--ratios (\S+) (\S+) (\S+) gives", text) for text in (warned, refused)]
    assert ratios[0] is not None
    assert ratios[1] is not None
    assert ratios[0].groups() == ratios[1].groups()
    assert run("split", table, "--ratios", *ratios[0].groups(), "--output", split) == 0
    assert run(*train) == 0
    assert "warning" not in capsys.readouterr().err
    # A row without a measurement is named before the training, which refuses it.
    frame = pd.read_csv(table)
    frame.loc[7, "pkd"] = None
    # So is a pair that is there twice, here with its sides exchanged.
    frame.loc[8, ["ligand", "receptor"]] = frame.loc[3, ["receptor", "ligand"]].to_numpy()
    frame.to_csv(table, index=False)
    assert run("split", table, "--ratios", *ratios[0].groups(), "--output", split) == 0
    warned = capsys.readouterr().err
    assert "1 of 60 complexes have no pKd, the first is 'c7'" in warned
    assert "1 of 60 complexes have the same sequences as an earlier one, on both sides: 'c8' ('c3')" in warned


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train"], "ppi train needs --output; `ppi train --help` says what it is"),
        (["screen", "a.fasta"], "ppi screen needs RECEPTORS; `ppi screen --help` says what it is"),
        (["screen", "a.fasta", "b.fasta", "--output"], "--output needs a value"),
        (["split", "a.csv", "--output", "b", "--ratios", 1], "--ratios needs 3 values, and has 1"),
    ],
)
def test_what_is_absent_is_named(
    words: list[object], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words) == 2
    assert capsys.readouterr().err == f"ppi: error: {message}\n"


def test_a_side_without_the_other_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("predict", "--ligand", "x.fasta") == 1
    assert "--receptor is missing; --ligand is one side" in capsys.readouterr().err
    assert run("predict", "--receptor", "x.fasta") == 1
    assert "--ligand is missing; --receptor is one side" in capsys.readouterr().err


def test_settings_of_epochs_without_epochs_have_a_warning_and_the_scores_a_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(2)
    rows = [random_complex(rng, f"c{number}", 1, 1) for number in range(30)]
    table, split = tmp_path / "my table.csv", tmp_path / "s.csv"
    sides = [
        {"id": c.id, "ligand": c.ligand[0], "receptor": c.receptor[0], "pkd": 4 + n % 7}
        for n, c in enumerate(rows)
    ]
    pd.DataFrame(sides).to_csv(table, index=False)
    parts = [f"c{n},{'validation' if n % 3 == 1 else 'train'}" for n in range(29)]
    split.write_text("\n".join(["id,split", *parts, ""]))
    settings = ["--backbone", "residue", "--readout-options.trees", 5, "--members", 5, "--no-partner-score"]
    model = tmp_path / "m"
    assert (
        run("train", "--data", table, "--split", split, "--output", model, *settings, "--max-epochs", 3) == 0
    )
    printed = capsys.readouterr().err
    assert "warning: --max-epochs: not used, because the read-out trees is fitted" in printed
    assert f"1 of 30 complexes have no part in {split} and are left out, the first is 'c29'" in printed
    assert f"`ppi evaluate {model} --data '{table}' --split {split}` shows the scores" in printed


@pytest.mark.parametrize("suffix", [".npz", ".h5", ".parquet"])
@pytest.mark.parametrize("pool", ["none", "mean"])
def test_embed_into_a_file(
    tmp_path: Path, suffix: str, pool: str, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / f"out{suffix}"
    fasta = EXAMPLES / "hyhel10_lysozyme.fasta"
    options = ("--backbone", "residue", "--store", tmp_path / "store", "--pool", pool)
    assert run("embed", fasta, *options, "--output", output) == 0
    assert "3 unit(s), 3 of them embedded now" in capsys.readouterr().err
    found = read_embeddings(output, pool)
    (item,) = read_complexes(fasta).complexes
    names = ("ligand/1", "ligand/2", "receptor/1")
    assert list(found) == [f"hyhel10_lysozyme/{name}" for name in names]
    for chain, values in zip(item.chains, found.values(), strict=True):
        expected = ResidueBackbone().embed([(chain,)])
        assert torch.allclose(
            torch.tensor(values), expected if pool == "none" else expected.mean(dim=0), atol=2e-3
        )


def read_embeddings(path: Path, pool: str) -> dict[str, np.ndarray]:
    if path.suffix == ".parquet":
        table = pd.read_parquet(path)
        grouped = table.groupby("key", sort=False)["embedding"]
        stacked = {str(key): np.stack(list(rows)) for key, rows in grouped}
        if pool == "none":
            assert "".join(table["residue"]).startswith("DVQLQES")
            assert table["position"].tolist()[:2] == [1, 2]
        return stacked if pool == "none" else {key: rows[0] for key, rows in stacked.items()}
    if path.suffix == ".npz":
        with np.load(path) as archive:
            content = dict(archive)
    else:
        content = {}
        with h5py.File(path) as file:
            file.visititems(
                lambda name, node: content.update({name: node[()]}) if hasattr(node, "dtype") else None
            )
    if pool == "none":
        return content
    keys = [key.decode() if isinstance(key, bytes) else str(key) for key in content["keys"]]
    return dict(zip(keys, content["embeddings"], strict=True))


def test_embed_list_and_prune(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ("--store", tmp_path)
    complexes = EXAMPLES / "barnase_barstar.fasta"
    for unit, message in (
        ("chain", "2 unit(s), 2 of"),
        ("side", "2 unit(s), 0 of"),
        ("complex", "1 unit(s), 1 of"),
    ):
        words = ("--backbone", "random-esm2-8m-seed3", "--unit", unit, "--layers", 3, -1)
        assert run("embed", complexes, *words, *place) == 0
        assert message in capsys.readouterr().err
    assert run("embed", "--list", *place) == 0
    listed = capsys.readouterr().out
    assert "3 units  random-esm2-8m-seed3-" in listed
    assert run("embed", "--prune", listed.splitlines()[0].split()[-1], *place) == 0
    assert run("embed", "--list", *place) == 0
    assert "in 0 store(s)" in capsys.readouterr().out


def test_embed_says_what_it_shortened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "t.csv"
    table.write_text(f"id,ligand,receptor\nlong,{'MKVLA' * 2001},GGS\nshort,MKV,GGS\n")
    words = ("embed", table, "--backbone", "residue", "--store", tmp_path / "store")
    assert run(*words) == 1
    assert "'long' has a chain of 10005 residues, but the backbone takes 10000" in capsys.readouterr().err
    assert run(*words, "--truncate") == 0
    assert "ppi: warning: 1 complex was shortened: long\n" in capsys.readouterr().err


def test_info_lists_the_backbones(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("info") == 0
    printed = capsys.readouterr().out
    assert all(
        name in printed for name in ("residue", "esm2-650m", "prott5-xl-u50", "esm3-sm-open", "licence")
    )


def test_train_on_a_language_model_and_predict(
    tmp_path: Path, table_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = ("--backbone", "random-esm2-8m-seed0", "--head", "hp", "--mixer", "none")
    options = ("--recipe", "network", *parts, "--max-epochs", 1)
    data, place = ("--data", table_path), ("--store", tmp_path / "store")
    assert run("train", *data, *place, *options, "--output", tmp_path / "m") == 0
    assert "with random-esm2-8m-seed0:" in capsys.readouterr().err
    assert run("train", *data, *place, *options, "--output", tmp_path / "again") == 0
    assert "embedding" not in capsys.readouterr().err
    assert run("predict", table_path, "--model", tmp_path / "m", "--output", tmp_path / "a.csv") == 0
    assert run("predict", table_path, "--model", tmp_path / "again", "--output", tmp_path / "b.csv") == 0
    columns = ["id", "pkd", "pkd_lower"]
    first, second = (pd.read_csv(tmp_path / name)[columns] for name in ("a.csv", "b.csv"))
    assert first.equals(second)
    assert run("evaluate", tmp_path / "m", *data, *place) == 0
    manifest = tmp_path / "m" / "manifest.json"
    manifest.write_text(re.sub("seed0 [0-9a-f]+ v1", "seed1 v1", manifest.read_text()))
    capsys.readouterr()
    assert run("predict", table_path, "--model", tmp_path / "m") == 1
    assert "trained on random-esm2-8m-seed1 v1 layers 6" in capsys.readouterr().err


def test_info_lists_the_mixers_and_attentions(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("info", "mixers") == run("info", "attentions") == 0
    printed = capsys.readouterr().out
    for name in (*MIXERS, *ATTENTIONS):
        assert re.search(rf"^{name} +(0|n|n\^2|that)\b", printed, re.MULTILINE), name
    assert "Chen et al. 2025, PowerAttention" in printed
    assert run("info", "mixers", "model") == 1
    assert "there is no mixer 'model'; choose one of convbert" in capsys.readouterr().err
    assert run("info", "attentions", "moh") == 0
    assert "--mixer-options.attention-options.top-k" in capsys.readouterr().out


def test_info_describes_a_model(tmp_path: Path, model_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("info", "model") == 0
    shipped = capsys.readouterr().out
    for text in (
        "ppi-mini (frozen)",
        "ppb-affinity",
        "8,029",
        "split_strict",
        "spearman 0.505",
        "323 groups",
    ):
        assert text in shipped
    assert "does not rank mutants of a target" in shipped
    assert re.search(r"default \(\d+\.\d MB\)", shipped)
    assert run("info", "model", model_path) == 0
    own = capsys.readouterr().out
    for text in (
        "hp, mixer none",
        "network, 2 member(s)",
        "24\n",
        "that of your own data",
        "The card names none",
    ):
        assert text in own
    assert run("info", "backbones", model_path) == 1
    assert "info backbones lists all backbones and takes no name" in capsys.readouterr().err
    for folder, message in (
        (tmp_path / "absent", "no such model folder"),
        (tmp_path, "it lacks config.json"),
    ):
        assert run("info", "model", folder) == 1
        captured = capsys.readouterr()
        assert captured.out == ""
        assert message in captured.err
