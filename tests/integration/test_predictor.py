"""A predictor that lives long: the same answers from any thread, cache and order; the shipped model's own."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import REPOSITORY

import ppi
from ppi.cli import main
from ppi.errors import InputError, ModelError
from ppi.io.tables import read_complexes
from ppi.models.folder import load_model
from ppi.prediction.engine import predict_members

EXAMPLES = sorted((REPOSITORY / "examples").glob("*.fasta"))
GLYCINES = ppi.Complex("glycines", ("AQVINTFDGVADYLQTYHKLPDNYITKSEAQALGWVASKGNLADVAPGKS",), ("G" * 87,))


@pytest.fixture(scope="module")
def predictor() -> ppi.Predictor:
    return ppi.Predictor()


def test_golden_predictions_of_the_shipped_model(predictor: ppi.Predictor) -> None:
    table = predictor.predict(EXAMPLES).set_index("id")
    # They start from measured neighbours; 14.0, 9.05 and 10.52 were measured for the nearest.
    golden = {"barnase_barstar": 13.857, "hgh_receptor": 9.176, "hyhel10_lysozyme": 10.459}
    assert table["pkd"].to_dict() == pytest.approx(golden, abs=5e-3 if _bfloat16() else 5e-2)
    assert table.loc["barnase_barstar", ["nearest_complex", "nearest_pkd"]].tolist() == ["1BRS_A_D", 14.0]
    assert (table["anchors"] > 50).all()
    assert (table["novelty"] == "familiar").all()
    assert (table["warnings"].fillna("") == "").all()
    # The model alone.
    alone = predict_members(predictor.trained.model, [GLYCINES])
    assert alone.mean[0] == pytest.approx(7.466, abs=5e-3 if _bfloat16() else 0.1)


def test_exchanging_ligand_and_receptor_changes_nothing(predictor: ppi.Predictor) -> None:
    complexes = [read_complexes(path).complexes[0] for path in EXAMPLES] + [GLYCINES]
    exchanged = [ppi.Complex(item.id, item.receptor, item.ligand) for item in complexes]
    columns = ["pkd", "pkd_lower", "pkd_upper", "partner_score", "anchors", "nearest_complex"]
    pd.testing.assert_frame_equal(
        predictor.predict(exchanged)[columns], predictor.predict(complexes)[columns], rtol=0, atol=1e-5
    )


def test_mutants_of_a_measured_complex_start_from_it(predictor: ppi.Predictor) -> None:
    wild = read_complexes(next(path for path in EXAMPLES if "barnase" in path.name)).complexes[0]
    barnase, barstar = wild.ligand[0], wild.receptor[0]
    # Of the two series of mutations one was measured as 5.5, the other as 9.5.
    mutants = {
        "D39A": ppi.Complex("D39A", (barnase,), (barstar[:38] + "A" + barstar[39:],)),
        "H102A": ppi.Complex("H102A", (barnase[:99] + "A" + barnase[100:],), (barstar,)),
    }
    table = predictor.predict(mutants.values()).set_index("id")
    assert table.loc["D39A", "pkd"] == pytest.approx(5.5, abs=0.7)
    assert table.loc["H102A", "pkd"] == pytest.approx(9.5, abs=0.5)
    assert (table["anchors"] > 50).all()


def test_variable_domains_start_from_the_measured_antibody(predictor: ppi.Predictor) -> None:
    (whole,) = read_complexes(REPOSITORY / "examples" / "hyhel10_lysozyme.fasta").complexes
    heavy, light = sorted(whole.ligand, key=lambda chain: chain.startswith("D") and "VTLSVTPG" in chain)
    variable = ppi.Complex("fv", (heavy[:113], light[:107]), whole.receptor)
    full, short = predictor.predict([whole, variable]).to_dict("records")
    assert len(heavy) > 200 < len(light)
    assert short["anchors"] == full["anchors"] == 88
    assert short["pkd"] == pytest.approx(full["pkd"], abs=0.2)


def _bfloat16() -> bool:
    import torch

    from ppi.devices import native_dtype

    return native_dtype("auto") == torch.bfloat16


def test_a_strange_partner_has_a_warning(predictor: ppi.Predictor) -> None:
    (row,) = predictor.predict(GLYCINES).to_dict("records")
    assert (row["novelty"], row["pair_identity"]) == ("half-familiar", 0.0)
    assert "receptor has 87 G in a row" in row["warnings"]
    (known,) = predictor.predict([path for path in EXAMPLES if "barnase" in path.name]).to_dict("records")
    assert row["pkd_upper"] - row["pkd_lower"] > 2 * (known["pkd_upper"] - known["pkd_lower"])
    assert row["partner_score"] < 0.5 < known["partner_score"]


def test_threads_two_predictors_and_order_change_nothing(
    model_path: Path, table_path: Path, tmp_path: Path
) -> None:
    complexes = read_complexes(table_path).complexes
    one, two = (ppi.Predictor(model_path, store=tmp_path) for _ in range(2))
    alone = one.predict(complexes)
    with ThreadPoolExecutor(4) as pool:
        tables = list(pool.map(lambda k: (one, two)[k % 2].predict(complexes[k:] + complexes[:k]), range(8)))
    for k, table in enumerate(tables):
        turned = pd.concat([table[len(table) - k :], table[: len(table) - k]], ignore_index=True)
        pd.testing.assert_frame_equal(turned, alone)
    one.close()
    pd.testing.assert_frame_equal(two.predict(complexes), alone)
    two.close()


def test_without_novelty_nothing_is_searched(model_path: Path, table_path: Path) -> None:
    predictor = ppi.Predictor(model_path, novelty=False)
    table = predictor.predict(table_path)
    assert table[["novelty", "nearest_complex"]].isna().all(axis=None)
    assert table["pkd"].equals(ppi.predict(table_path, model=model_path)["pkd"])


def test_a_prediction_that_is_not_finite_is_an_error(model_path: Path) -> None:
    predictor = ppi.Predictor(load_model(model_path))
    for weight in predictor.trained.model.heads.parameters():
        weight.data.fill_(np.nan)
    with pytest.raises(ModelError, match="a pKd that is NaN or infinite"):
        predictor.predict(GLYCINES)


def test_a_wrong_temperature_is_refused_before_the_work(predictor: ppi.Predictor) -> None:
    with pytest.raises(InputError, match="the temperature is 25; give 200 to 400 kelvin"):
        predictor.predict(GLYCINES, temperature_kelvin=25)


def test_a_home_that_cannot_be_written_still_predicts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    for name, value in (("PPI_CACHE", ""), ("XDG_CACHE_HOME", ""), ("HOME", str(tmp_path / "file" / "home"))):
        monkeypatch.setenv(name, value)
    main(["predict", str(EXAMPLES[0])])
    captured = capsys.readouterr()
    assert captured.out.startswith("id,pkd,")
    assert captured.err.count("embeddings cannot be written to disk") == 1


@pytest.mark.slow
def test_an_address_space_too_small_for_the_usual_store_still_predicts(tmp_path: Path) -> None:
    here = {"PPI_CACHE": "", "XDG_CACHE_HOME": "", "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    command = f"ulimit -v 6000000; exec {sys.executable} -m ppi predict {EXAMPLES[0]}"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, env={**os.environ, **here}, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("id,pkd,")
    assert "embeddings cannot be written to disk" not in done.stderr


def test_repeated_warnings_are_one(model_path: Path) -> None:
    predictor = ppi.Predictor(model_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        predictor.predict(GLYCINES)
        predictor.predict(GLYCINES)
