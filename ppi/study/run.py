"""A study: cells in parallel, and the report over all of them."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import yaml

from data_curation.files import atomic_file
from ppi.devices import choose_devices
from ppi.embedding.elsewhere import Workers, open_workers
from ppi.embedding.header import default_root
from ppi.engines.build import EngineName, build_engine
from ppi.errors import SettingsError, TrainingError
from ppi.study.cells import Cell
from ppi.study.launching import Launch, LocalCell
from ppi.study.plan import StudyPlan, plan_study
from ppi.study.preparation import prepare_models
from ppi.study.processes import Failure, run_cells
from ppi.study.report import write_study_report
from ppi.study.splits import SPLITS_FOLDER, reference_rows

_LOG = logging.getLogger(__name__)


def run_study(
    config: str | os.PathLike[str],
    *,
    output: str | os.PathLike[str],
    jobs: int | None = None,
    dry_run: bool = False,
    store: str | os.PathLike[str] | None = None,
    device: str = "auto",
    engine: EngineName = "local",
) -> pd.DataFrame:
    """Train every configuration with every seed on every split, and compare them.

    Finished cells are not run again, and unfinished ones are resumed; for a finished study only the report is
    written again. Cells with results of other settings or data are run again.

    Parameters
    ----------
    config
        YAML file; see `ppi.study.settings.StudySettings`.
    output
        Folder for ``table.csv``, ``pairs.csv``, ``ranks.csv``, ``rank.png``, ``report.md`` and the cells.
    jobs
        Number of cells that run at the same time; by default that of the study.
    dry_run
        Check the study and list the cells, without writing anything.
    store
        Folder of the stores that keep a language model's embeddings; by default in the user's cache.
    device
        ``auto``, ``cpu``, ``cuda``, ``cuda:N``, or several joined by ``,`` that cells take in turn.
    engine
        Engine that embeds and runs the cells. With ``ray``, the nodes must see the folders of the study, of
        its data and of the stores under the same paths, and the device is ``auto``, ``cpu`` or ``cuda``.

    Returns
    -------
    DataFrame
        See `ppi.study.scores.score_table`; for a dry run ``cell, state, command``.

    Raises
    ------
    ppi.errors.PpiError, data_curation.errors.CurationError
        If the study, its data or a model is wrong, before any cell runs; or if cells failed,
        after all others have run and the report over these is written.
    """
    if jobs is not None and jobs < 1:
        raise SettingsError(f"jobs is {jobs}; it must be at least 1")
    remote = build_engine(engine).remote
    plan = plan_study(config, output)
    if dry_run:
        return pd.DataFrame(
            {"cell": cell.name, "state": plan.state(cell), "command": plan.command(cell)}
            for cell in plan.cells
        )
    root = Path(store or default_root()).absolute()
    devices = [] if remote else choose_devices(device)
    pending = _pending(plan)
    failures = []
    if pending:
        with open_workers(engine, device, None) as workers:
            failures = _run(plan, pending, jobs or plan.settings.jobs, devices, root, workers)
    table = write_study_report(plan, failures)
    if failures:
        raise TrainingError(_failure_text(failures, plan))
    return table


def _pending(plan: StudyPlan) -> list[Cell]:
    pending = [cell for cell in plan.cells if plan.state(cell) != "finished"]
    changed = sum(plan.state(cell) == "changed" for cell in pending)
    _LOG.info("%d cells, %d of them finished", len(plan.cells), len(plan.cells) - len(pending))
    if changed:
        _LOG.info("%d cell(s) have a result of other settings or data, and are run again", changed)
    return pending


def _run(
    plan: StudyPlan,
    pending: Sequence[Cell],
    jobs: int,
    devices: Sequence[str],
    store: Path,
    workers: Workers | None,
) -> list[Failure]:
    names = {cell.configuration for cell in pending}
    splits = [plan.splits[name] for name in dict.fromkeys(cell.split for cell in pending)]
    complexes = {item: None for split in splits for item in split.table.complexes}
    prepare_models(
        [item for item in plan.configurations if item.name in names],
        list(complexes),
        devices=devices,
        store=store,
        workers=workers,
    )
    for split in splits:
        reference_rows(split, plan.folder / SPLITS_FOLDER / split.name)  # Cells need its identities.
    plan.write(pending)
    with atomic_file(plan.folder / "study.yaml") as temporary:
        temporary.write_text(yaml.safe_dump(plan.settings.model_dump(mode="json"), sort_keys=False))
    launch: Launch = LocalCell
    if workers is not None:
        from ppi.study.ray_cell import RayCell as launch  # noqa: N813

        devices = ["cuda" if workers.resources.gpu else "cpu"]
    return run_cells(
        [cell.name for cell in pending],
        plan.folder,
        jobs=jobs,
        threads=plan.settings.threads,
        devices=devices,
        store=store,
        launch=launch,
    )


def _failure_text(failures: list[Failure], plan: StudyPlan) -> str:
    for failure in failures:
        _LOG.error(
            "\n%s: exit status %d, at the end of its log:\n%s", failure.name, failure.status, failure.tail
        )
    return (
        f"{len(failures)} of {len(plan.cells)} cells failed, the first is {failures[0].name}; their logs are "
        f"in {plan.folder / 'cells'}, and the same command runs them again"
    )
