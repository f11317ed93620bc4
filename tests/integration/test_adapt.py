"""`ppi adapt` from the table to ranked variants, on the shipped model of mutation effects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import REPOSITORY
from scipy.stats import spearmanr

import ppi
from data_curation.files import sha256_of
from ppi.cli import main
from ppi.effects.model import EffectModel
from ppi.effects.mutations import apply_mutations, parse_mutation
from ppi.errors import ModelError, PpiWarning
from ppi.io.inputs import read_inputs
from ppi.prediction.adapting.folder import load_adapted, save_adapted
from ppi.prediction.adapting.model import AdaptedModel

EXAMPLES = REPOSITORY / "examples"
MEASURED, POOL = EXAMPLES / "hyhel10_measured.csv", EXAMPLES / "hyhel10_pool.csv"
WILD = EXAMPLES / "hyhel10_lysozyme.fasta"


@pytest.fixture(scope="module")
def effects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EffectModel]:
    model = EffectModel.load(device="cpu", on_disk=False)
    yield model
    model.close()


@pytest.fixture(scope="module")
def adapted(effects: EffectModel) -> AdaptedModel:
    return ppi.adapt(MEASURED, wild=WILD, effects=effects)


def run(*words: object) -> int:
    try:
        main([str(word) for word in words])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_the_command_line_from_table_to_ranking(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], adapted: AdaptedModel
) -> None:
    folder, ranked = tmp_path / "model", tmp_path / "ranked.csv"
    assert run("adapt", MEASURED, "--wild", WILD, "--output", folder, "--device", "cpu") == 0
    shown = capsys.readouterr().out
    assert "24 variants of hyhel10_lysozyme" in shown
    assert all(name in shown for name in ("adapted", "one-hot ridge", "base model", "constant"))
    assert {path.name for path in folder.iterdir()} == {
        *("config.json", "model.safetensors", "measured.csv", "validation.json", "manifest.json", "README.md")
    }
    assert shown in (folder / "README.md").read_text()
    assert run("predict", POOL, "--model", folder, "--output", ranked, "--device", "cpu") == 0
    table, expected = pd.read_csv(ranked), adapted.predict(POOL)
    assert table["id"].tolist() == pd.read_csv(POOL)["mutant"].tolist()
    assert np.allclose(table["pkd"], expected["pkd"], rtol=1e-5)
    assert set(table["model"]) == {"model"}
    assert run("adapt", MEASURED, "--wild", WILD, "--output", folder) == 1
    assert "is not empty" in capsys.readouterr().err


def test_a_saved_model_predicts_the_same_to_the_bit(
    tmp_path: Path, adapted: AdaptedModel, effects: EffectModel
) -> None:
    save_adapted(tmp_path / "model", adapted)
    again = load_adapted(tmp_path / "model", effects=effects)
    one, other = adapted.predict(POOL), again.predict(POOL)
    pd.testing.assert_frame_equal(one.drop(columns="model"), other.drop(columns="model"), check_exact=True)
    items = read_inputs([item.wild for item in again.targets.values()]).complexes
    drawn = [each.surrogate().sample(items, 3, seed=0) for each in (adapted, again)]
    assert np.array_equal(*drawn)
    assert again.validations == adapted.validations
    pd.testing.assert_frame_equal(again.surrogate().measured, adapted.surrogate().measured)


def test_a_damaged_folder_is_refused(tmp_path: Path, adapted: AdaptedModel, effects: EffectModel) -> None:
    folder = tmp_path / "model"
    save_adapted(folder, adapted)
    text = (folder / "measured.csv").read_text()
    (folder / "measured.csv").write_text(text.replace("Y50", "Y51") + "\n")
    with pytest.raises(ModelError, match=r"measured.csv: the measurements are damaged or were replaced"):
        load_adapted(folder, effects=effects)
    (folder / "measured.csv").unlink()
    with pytest.raises(ModelError, match=r"measured.csv is missing"):
        load_adapted(folder, effects=effects)
    with pytest.raises(ModelError, match="no folder of an adapted model"):
        load_adapted(tmp_path, effects=effects)


def test_another_base_model_is_refused(tmp_path: Path, adapted: AdaptedModel, effects: EffectModel) -> None:
    other = AdaptedModel(
        adapted.targets, adapted.validations, {"name": "effects", "weights_sha256": "another"}
    )
    save_adapted(tmp_path / "model", other)
    with pytest.raises(ModelError, match=r"SHA-256 another, but that here has"):
        load_adapted(tmp_path / "model", effects=effects)


def test_measurements_change_the_ranking(adapted: AdaptedModel) -> None:
    known = adapted.surrogate()
    mean, spread = known.predict(list(known.observed.complexes))
    assert spearmanr(mean, known.measured["value"]).statistic > 0.9
    far = apply_mutations(known.wild, [parse_mutation("receptor:1:V2A", known.wild)])
    assert known.predict([far])[1][0] > spread.mean()
    table = adapted.predict(pd.DataFrame({"mutant": ["receptor:1:V2A", "receptor:1:Y20A"]}))
    assert table["new_positions"].tolist() == [1, 0]


def test_a_score_and_a_ddg_are_predicted_in_their_own_unit(
    adapted: AdaptedModel, effects: EffectModel
) -> None:
    table = pd.read_csv(MEASURED)
    ddg = table.assign(ddg_kcal_mol=-1.364 * table["pkd"]).drop(columns="pkd")
    found = ppi.adapt(ddg, wild=WILD, effects=effects).predict(POOL)
    assert np.allclose(found["ddg_kcal_mol"], -1.364 * adapted.predict(POOL)["pkd"], atol=0.02)
    assert found["rank"].tolist() == adapted.predict(POOL)["rank"].tolist()
    score = table.assign(signal=100 * table["pkd"]).drop(columns="pkd")
    found = ppi.adapt(score, wild=WILD, value="signal", effects=effects).predict(POOL)
    assert spearmanr(found["signal"], adapted.predict(POOL)["pkd"]).statistic > 0.95


def test_two_targets(tmp_path: Path, effects: EffectModel, capsys: pytest.CaptureFixture[str]) -> None:
    first = read_inputs(WILD).complexes[0]
    second = read_inputs(EXAMPLES / "barnase_barstar.fasta").complexes[0]
    rows = []
    for name, item, texts in (
        ("lysozyme", first, ["ligand:1:Y50A", "ligand:1:Y50F", "ligand:1:Y33A", "receptor:1:K96A"]),
        ("barnase", second, ["ligand:1:H100A", "ligand:1:R57A", "receptor:1:D39A", "receptor:1:D35A"]),
    ):
        for number, text in enumerate(texts):
            mutant = apply_mutations(item, [parse_mutation(text, item)])
            rows.append(
                {
                    "id": mutant.id,
                    "ligand": ":".join(mutant.ligand),
                    "receptor": ":".join(mutant.receptor),
                    "pkd": 7 + number,
                    "target": name,
                }
            )
    table = pd.DataFrame(rows)
    table.drop(columns="target").to_csv(tmp_path / "mixed.csv", index=False)
    assert run("adapt", tmp_path / "mixed.csv", "--output", tmp_path / "mixed") == 1
    assert "in a column 'target'" in capsys.readouterr().err
    with pytest.warns(PpiWarning, match="only 4 variants"):
        model = ppi.adapt(table, effects=effects)
    save_adapted(tmp_path / "model", model)
    again = load_adapted(tmp_path / "model", effects=effects)
    found = again.predict(table.drop(columns=["target", "pkd"]))
    assert found["target"].tolist() == table["target"].tolist()
    assert found["measured"].tolist() == table["pkd"].tolist()
    save_adapted(tmp_path / "again", model)
    table.drop(columns=["target", "pkd"]).to_csv(tmp_path / "variants.csv", index=False)
    capsys.readouterr()
    assert run("predict", tmp_path / "variants.csv", "--model", tmp_path / "again") == 0
    warned = [line for line in capsys.readouterr().err.splitlines() if "only 4 variants" in line]
    assert [line.split(":")[2] for line in warned] == [" target lysozyme", " target barnase"]
    assert again.surrogate("barnase").wild.chains[0][:5] == second.ligand[0][:5]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("mutant,pkd\nligand:1:Y50A,7\nligand:1:Y50F,7\n", "all 2 measured values are 7"),
        ("mutant,pkd,censored\nligand:1:Y50A,7,>\nligand:1:Y50F,6,>\n", "have only a bound"),
        ("mutant,pkd\nligand:1:Y49A,7\n", "the wild type does not fit"),
        ("mutant,kd_molar\nligand:1:Y50A,0.5\nligand:1:Y50F,0.2\n", "Kd above 10 mmol/L"),
        ("mutant,kd_molar\nligand:1:Y50A,5\nligand:1:Y50F,2\n", "in another unit"),
        ("mutant\nligand:1:Y50A\n", "no measured values"),
        (
            "mutant,kd\nligand:1:Y50A,3\n",
            "in.csv: there are no measured values in a column that is known; the colu",
        ),
        (
            "mutant,Kd (nM)\nligand:1:Y50A,n.d.\n",
            "in.csv, row 1, id 'ligand:1:Y50A': Kd (nM) is 'n.d.'; give",
        ),
        ("", "in.csv: the file is empty; give columns id, ligand and receptor, or a column mutant"),
    ],
)
def test_each_error_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], table: str, words: str
) -> None:
    (tmp_path / "in.csv").write_text(table)
    assert run("adapt", tmp_path / "in.csv", "--wild", WILD, "--output", tmp_path / "model") == 1
    shown = capsys.readouterr().err.strip()
    assert words in shown
    assert shown.count("\n") == 0
    assert not (tmp_path / "model").exists()


def test_a_value_is_called_as_in_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = pd.read_csv(MEASURED)
    table.assign(affinity=table["pkd"], kd=10 ** (9 - table["pkd"])).to_csv(tmp_path / "in.csv", index=False)
    words = ("adapt", tmp_path / "in.csv", "--wild", WILD, "--output", tmp_path / "model", "--value")
    for value, message in (
        (
            "kd",
            "by its name, lower values of the column 'kd' mean stronger binding, but --value takes higher",
        ),
        (
            "afinity",
            "there is no column 'afinity'; did you mean affinity? The columns are mutant, pkd, affinity",
        ),
    ):
        assert run(*words, value) == 1
        assert message in capsys.readouterr().err
    assert run(*words, "Affinity") == 0
    assert "learnt from affinity (higher is taken as stronger)" in capsys.readouterr().out


def test_a_reference_that_is_not_given_is_named_and_dashes_are_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], adapted: AdaptedModel, effects: EffectModel
) -> None:
    table = adapted.surrogate().measured.rename(columns={"value": "score"})[
        ["id", "ligand", "receptor", "score"]
    ]
    table.head(8).to_csv(tmp_path / "in.csv", index=False)
    assert run("adapt", tmp_path / "in.csv", "--output", tmp_path / "model") == 0
    shown = capsys.readouterr()
    reference = load_adapted(tmp_path / "model", effects=effects).surrogate().wild.id
    assert f"no wild type is given, so the reference is {reference!r}, the variant with" in shown.err
    assert "--wild FILE" in shown.err
    assert "  -: positions are held out where at least 5 are changed (here 8)" in shown.out
    assert run("adapt", MEASURED, "--wild", WILD, "--output", tmp_path / "other") == 0
    shown = capsys.readouterr()
    assert "no wild type" not in shown.err
    assert "  -: one-hot ridge knows nothing of a position that it has not seen" in shown.out


def test_the_names_of_chains_are_kept(tmp_path: Path, adapted: AdaptedModel, effects: EffectModel) -> None:
    save_adapted(tmp_path / "model", adapted)
    loaded = load_adapted(tmp_path / "model", effects=effects)
    assert loaded.surrogate().chain_names == {"ligand": ("H", "L"), "receptor": ("Y",)}
    named, counted = (
        loaded.predict(pd.DataFrame({"mutant": [text]})) for text in ("L:50:Y:A", "ligand:2:Y50A")
    )
    pd.testing.assert_frame_equal(named.drop(columns="id"), counted.drop(columns="id"))


def test_a_folder_of_an_earlier_version_is_read(
    tmp_path: Path, adapted: AdaptedModel, effects: EffectModel
) -> None:
    folder = tmp_path / "model"
    save_adapted(folder, adapted)
    config, manifest = (json.loads((folder / name).read_text()) for name in ("config.json", "manifest.json"))
    del config["targets"][0]["reference"]["chain_names"]
    (folder / "config.json").write_text(json.dumps(config))
    manifest["config_sha256"] = sha256_of(folder / "config.json")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    again = load_adapted(folder, effects=effects)
    assert again.surrogate().chain_names == {}
    assert np.array_equal(again.predict(POOL)["pkd"], adapted.predict(POOL)["pkd"])


def test_designs_of_one_side_are_paired_with_the_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], adapted: AdaptedModel
) -> None:
    save_adapted(tmp_path / "model", adapted)
    wild = adapted.surrogate().wild
    design = apply_mutations(wild, [parse_mutation("ligand:2:Y50A", wild)])
    (tmp_path / "designs.fasta").write_text(f">first\n{':'.join(design.ligand)}\n")
    (tmp_path / "antigen.fasta").write_text(f">lysozyme\n{':'.join(wild.receptor)}\n")
    assert run("predict", tmp_path / "designs.fasta", "--model", tmp_path / "model") == 1
    assert "ppi predict as --ligand designs.fasta --receptor antigen.fasta" in capsys.readouterr().err
    sides = ("--ligand", tmp_path / "designs.fasta", "--receptor", tmp_path / "antigen.fasta")
    assert run("predict", *sides, "--model", tmp_path / "model") == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("first|lysozyme,")


def test_few_measurements_at_one_position_are_warned_of(effects: EffectModel) -> None:
    table = pd.DataFrame({"mutant": [f"ligand:1:Y50{new}" for new in "AFLV"], "pkd": [7, 7.1, 7.2, 7.3]})
    with pytest.warns(PpiWarning) as caught:
        ppi.adapt(table, wild=WILD, effects=effects)
    shown = " ".join(str(each.message) for each in caught)
    assert all(words in shown for words in ("only 4 variants", "one position", "may be noise"))


def test_the_files_of_a_folder_are_readable(tmp_path: Path, adapted: AdaptedModel) -> None:
    save_adapted(tmp_path / "model", adapted)
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert config["kind"] == "adapted"
    assert config["targets"][0]["scales"]["noise"] > 0
    measured = pd.read_csv(tmp_path / "model" / "measured.csv")
    assert len(measured) == len(pd.read_csv(MEASURED))


def test_bounds_replicates_and_scores_are_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = ["ligand:1:Y50A,7,", "WT,9,", "ligand:1:Y33A,5,<", "ligand:1:Y33A,6,<", "ligand:1:Y33L,9,>"]
    rows += ["ligand:2:N31D,8,", "ligand:2:N31D,8.5,"]
    (tmp_path / "in.csv").write_text("\n".join(["mutant,score,censored", *rows]) + "\n")
    assert run("adapt", tmp_path / "in.csv", "--wild", WILD, "--output", tmp_path / "model") == 0
    shown = capsys.readouterr().out
    assert "5 variants of hyhel10_lysozyme at 3 position(s), learnt from score" in shown
    assert "Bounds instead of values: lower than given 1, higher 1" in shown
    assert "1 variant(s) were measured more than once (6 values in all): their means are used" in shown
    assert run("info", "model", tmp_path / "model") == 0
    card = capsys.readouterr().out
    assert shown in card
    assert "only 3 variants have a measured value" in card
    assert "Only the ranks of a score have a meaning" in card
    with pytest.raises(ModelError, match="an adapted model, which `ppi predict` and `ppi suggest` read"):
        ppi.load_model(tmp_path / "model")
