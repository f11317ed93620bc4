"""`ppi evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from ppi.cli.groups import COMPLETED, CROSS_VALIDATION, DATA, HARDWARE, MODEL, OUTPUT, SCORES
from ppi.cli.names import RecipeName

if TYPE_CHECKING:
    from ppi.training.settings import TrainSettings


def evaluate(
    model: Annotated[str, MODEL] = "default",
    *,
    data: Annotated[str, DATA] = "ppb-affinity",
    split: Annotated[str | None, DATA] = None,
    part: Annotated[str, DATA] = "test",
    truncate: Annotated[bool, DATA] = False,
    output: Annotated[Path | None, OUTPUT] = None,
    report: Annotated[Path | None, OUTPUT] = None,
    protocol: Annotated[Literal["split", "cv"], SCORES] = "split",
    baselines: Annotated[Literal["all", "sequence", "none"] | None, SCORES] = None,
    recipe: Annotated[RecipeName | None, CROSS_VALIDATION, COMPLETED] = None,
    config: Annotated[Path | None, CROSS_VALIDATION] = None,
    work: Annotated[Path | None, CROSS_VALIDATION] = None,
    device: Annotated[str, HARDWARE] = "auto",
    store: Annotated[Path | None, HARDWARE] = None,
) -> None:
    """Score a model on measured complexes, or a recipe by cross-validation.

    ```
    ppi evaluate --report report
    ppi evaluate model --data my_complexes.csv --part validation --output report.json
    ppi evaluate --protocol cv --work folds --output cv.json --report cv
    ppi evaluate --protocol cv --config settings.yaml --work folds --output cv.json --report cv
    ```

    Scores are for all complexes, by how new they are to the model, and within targets. The model is scored
    without measured neighbours (the column anchors of `ppi predict`). It is compared with baselines fitted on
    the table's training rows and, if the table has repeated measurements, with the scores that a perfect
    model could reach. Intervals are 95 % bootstrap intervals over clusters, else PDB entries. The report also
    has scores by source, of wild types and against capped labels, and figures.

    Parameters
    ----------
    model
        Model folder; `default`, the bundled model; or OWNER/NAME on the Hugging Face hub.
    protocol
        split scores MODEL on one part of a split. cv, the development cross-validation, scores a recipe: each
        of the folds 0 to 4 of the column fold is predicted by a model that is trained on all other rows,
        including those with fold -1; rows that are test in split_strict are excluded. It also reports the
        partner AUROC, and compares the intervals with those of the training mean. MODEL, --split, --part and
        --truncate are not for cv.
    data
        Table with columns id, ligand, receptor and pkd (or kd_molar); or `ppb-affinity`, the bundled data
        set. Rows whose column censored is not empty are skipped, because their pkd is only a bound. cv also
        needs the columns fold, split_strict and cluster.
    split
        Column of the table, or CSV with the columns id and split; by default the column split, else
        split_strict. For a column of folds, fold:0 tests on fold 0 and validates on the next.
    part
        Part of the split to score.
    baselines
        all (the default); sequence, without the baselines on embeddings, which have to embed all training
        rows; or none. For cv only sequence (the default) and none, which keeps only the training mean.
    output
        JSON file for the complete result.
    report
        Folder for report.html with its figures, report.json and predictions.csv.
    truncate
        Shorten complexes over the backbone's limit instead of stopping with an error.
    device
        auto, cpu, cuda or cuda:N.
    store
        Folder of the stores that keep a language model's embeddings; by default in the user's cache.
    recipe
        Named settings to score (`ppi info recipes` lists them); default, those of the bundled model, unless
        --config is given.
    config
        YAML file of settings to score, as for `ppi train`.
    work
        Folder for the model and the predictions of each fold. The same command continues after an
        interruption, without training finished folds again. By default nothing is kept.
    """
    from data_curation.files import refuse_overwriting
    from ppi.errors import SettingsError
    from ppi.training.recipes import chosen_settings

    own = {"--recipe": recipe, "--config": config, "--work": work}
    others = {
        "MODEL": model != "default",
        "--split": split,
        "--part": part != "test",
        "--truncate": truncate,
    }
    for name, given in (others if protocol == "cv" else own).items():
        if given:
            remedy = "leave it out" if protocol == "cv" else "add --protocol cv, or leave it out"
            raise SettingsError(f"{name} is not for --protocol {protocol}; {remedy}")
    if protocol == "cv":
        if baselines == "all":
            raise SettingsError("--baselines all is not for --protocol cv; choose sequence or none")
        settings = chosen_settings(recipe, config)
        if config is not None and output is not None:
            refuse_overwriting(output, [config])
        _cross_validate(settings, data, work, output, report, baselines or "sequence", device, store)
        return

    from ppi.evaluation.evaluate import evaluate as run
    from ppi.evaluation.markdown import format_report

    print(
        format_report(
            run(
                model,
                data=data,
                split=split,
                part=part,
                baselines=baselines or "all",
                output=output,
                report=report,
                truncate=truncate,
                device=device,
                store=store,
            )
        ),
        end="",
    )


def _cross_validate(
    settings: TrainSettings,
    data: str,
    work: Path | None,
    output: Path | None,
    report: Path | None,
    baselines: Literal["sequence", "none"],
    device: str,
    store: Path | None,
) -> None:
    from ppi.evaluation.development_tables import format_development
    from ppi.study.development import cross_validate

    result = cross_validate(
        settings,
        data=data,
        work=work,
        output=output,
        report=report,
        baselines=baselines,
        device=device,
        store=store,
    )
    print(format_development(result), end="")
