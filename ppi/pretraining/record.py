"""The log of a run: a CSV file, logged lines, and a curve."""

from __future__ import annotations

import csv
import dataclasses
import logging
import math
from dataclasses import dataclass
from pathlib import Path

from data_curation.files import atomic_file
from ppi.errors import InputError

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Row:
    """One logged row of a number of steps.

    Attributes
    ----------
    step, tokens, seconds
        Steps, tokens and seconds so far.
    loss
        Mean loss over the steps since the last row, in nats per masked token.
    learning_rate
        Learning rate of the last step.
    gradient_norm
        Gradient norm of the last step, before clipping.
    tokens_per_second
        Throughput since the last row, without evaluation and checkpoints.
    validation_perplexity, validation_accuracy
        Validation figures, if the model was evaluated after this step.
    """

    step: int
    tokens: int
    seconds: float
    loss: float
    learning_rate: float
    gradient_norm: float
    tokens_per_second: float
    validation_perplexity: float | None = None
    validation_accuracy: float | None = None

    def line(self) -> str:
        """Return the row as readable text."""
        validated = (
            ""
            if self.validation_perplexity is None
            else f", validation perplexity {self.validation_perplexity:.2f}, "
            f"accuracy {self.validation_accuracy:.1%}"
        )
        return (
            f"step {self.step}, {self.tokens:,} tokens, loss {self.loss:.3f}, rate {self.learning_rate:.1e}, "
            f"{self.tokens_per_second:,.0f} tokens/s{validated}"
        )


class Record:
    """The rows of a run, in a CSV file.

    Parameters
    ----------
    path
        Path of the file.
    until
        Step of the checkpoint from which a run continues. Later rows of the file are removed, because those
        steps are computed again.

    Raises
    ------
    InputError
        If the file exists and is not the log of a run.
    """

    def __init__(self, path: Path, until: int = 0) -> None:
        self._path = path
        self.rows = [row for row in _read(path) if row.step <= until] if until and path.exists() else []

    def add(self, row: Row) -> None:
        """Append a row to the file, and log it."""
        self.rows.append(row)
        with (
            atomic_file(self._path) as unfinished,
            unfinished.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(field.name for field in dataclasses.fields(Row))
            writer.writerows(dataclasses.astuple(row) for row in self.rows)
        _LOG.info(row.line())

    def draw(self, path: Path, unigram_perplexity: float) -> None:
        """Draw perplexities over tokens as PNG, with matplotlib."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = figure.add_subplot(xlabel="tokens", ylabel="perplexity", yscale="log")
        axes.plot(
            [row.tokens for row in self.rows],
            [math.exp(row.loss) for row in self.rows],
            label="training, a tenth unchanged",
        )
        evaluated = [row for row in self.rows if row.validation_perplexity is not None]
        axes.plot(
            [row.tokens for row in evaluated],
            [row.validation_perplexity or float("nan") for row in evaluated],
            marker="o",
            label="validation, <mask> only",
        )
        axes.axhline(unigram_perplexity, color="grey", linestyle=":", label="frequencies alone")
        axes.legend()
        with atomic_file(path) as unfinished:
            figure.savefig(unfinished, dpi=150)


def _read(path: Path) -> list[Row]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [
                Row(
                    int(row.pop("step")),
                    int(row.pop("tokens")),
                    *(float(value) if value else None for value in row.values()),  # type: ignore[arg-type]
                )
                for row in csv.DictReader(file)
            ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not the log of a pretraining ({error}); move it away") from error
