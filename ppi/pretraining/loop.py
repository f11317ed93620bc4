"""The training loop: train, log, evaluate, write checkpoints."""

from __future__ import annotations

import dataclasses
import math
import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import torch

from data_curation.errors import OutputError
from ppi.devices import native_dtype
from ppi.errors import PpiWarning, TrainingError
from ppi.pretraining.batches import TokenStream
from ppi.pretraining.checkpoint import RunState, write_checkpoint
from ppi.pretraining.corpus import Corpus
from ppi.pretraining.masking import MaskedBatch, mask_tokens, prefetched
from ppi.pretraining.model import small_config
from ppi.pretraining.optimiser import Learner
from ppi.pretraining.record import Record, Row
from ppi.pretraining.schedule import decay_start, rate
from ppi.pretraining.settings import PretrainSettings, RunOptions
from ppi.pretraining.validation import Validation, validate, validation_batches

#: Files of a run in its output folder.
CHECKPOINT, STABLE, LOG, CURVE = (
    "checkpoint.safetensors",
    "stable.safetensors",
    "log.csv",
    "curve.png",
)


class Loop:
    """A training run; its state may be replaced before it starts.

    Parameters
    ----------
    corpus
        Corpus for training and evaluation.
    output
        Folder for checkpoints and log.
    settings, options
        See `ppi.pretraining.settings`.
    device
        Device of the computation.

    Raises
    ------
    InputError
        If the corpus does not fill a batch.
    """

    def __init__(
        self,
        corpus: Corpus,
        output: Path,
        settings: PretrainSettings,
        options: RunOptions,
        device: torch.device,
    ) -> None:
        self.corpus, self.output, self.settings, self.options = corpus, output, settings, options
        self.device, self.dtype = device, native_dtype(settings.precision)
        self.config = small_config(
            depth=settings.depth, width=settings.width, heads=settings.heads, context=settings.context
        )
        self.learner = Learner(
            self.config, settings, device=device, dtype=self.dtype, compile_layers=options.compile
        )
        self.stream = TokenStream(
            corpus.train, context=settings.context, batch_tokens=settings.micro_tokens, seed=settings.seed
        )
        self.held_out = validation_batches(
            corpus.validation, context=settings.context, most_tokens=options.validation_tokens
        )
        self.state = RunState(decay_start=decay_start(settings, 0.0))
        self.record = Record(output / LOG)
        self.draws = find_spec("matplotlib") is not None

    @property
    def progress(self) -> float:
        """Fraction of the run that is done."""
        return self.settings.progress(self.state.step, self.state.tokens, self.state.seconds)

    def run(self) -> Validation:
        """Train to the end; return the figures of the last evaluation.

        Raises
        ------
        TrainingError
            If loss or gradient are not finite; the last checkpoint is from before.
        OutputError
            If the log cannot be written.
        """
        found: Validation | None = None
        first, saved = self.state.tokens // self.settings.micro_tokens, time.monotonic()
        batches = prefetched(self._micro_batch, first)
        losses: list[float] = []
        training, before = 0.0, time.monotonic()
        while self.progress < 1:
            if not self.state.decaying and self.progress >= self.state.decay_start:
                self._save_or_warn(STABLE)
                self.state = replace(self.state, decaying=True)
            started = time.monotonic()
            learning_rate = rate(self.settings, self.state.step, self.progress, self.state.decay_start)
            loss, norm = self._step(
                [next(batches) for _ in range(self.settings.micro_batches)], learning_rate
            )
            losses.append(loss)
            training += time.monotonic() - started
            now = time.monotonic()
            self._count(now - before)
            before = now
            if self._evaluates() or self.state.step % self.options.log_steps == 0:
                found = self._log(losses, training, learning_rate, norm)
                losses, training = [], 0.0
            if time.monotonic() - saved >= self.options.checkpoint_minutes * 60:
                self._save_or_warn(CHECKPOINT)
                saved = time.monotonic()
        batches.close()
        return found or self.validate()

    def validate(self) -> Validation:
        """Evaluate the current model."""
        return validate(self.learner.model, self.held_out, self.device)

    def _step(self, batches: Sequence[MaskedBatch], learning_rate: float) -> tuple[float, float]:
        """Do one optimiser step; return loss and gradient norm."""
        losses = [self.learner.backward(batch.to(self.device), 1 / len(batches)) for batch in batches]
        figures = torch.stack([torch.stack(losses).sum(), self.learner.gradient_norm()])
        self.learner.step(learning_rate)
        loss, norm = (
            figures.tolist()
        )  # This waits for the GPU, to which all operations of the step have been sent.
        if not (math.isfinite(loss) and math.isfinite(norm)):
            last = self.output / CHECKPOINT
            kept = f"the last checkpoint is {last}" if last.exists() else "there is no checkpoint yet"
            raise TrainingError(
                f"step {self.state.step + 1}: loss {loss}, gradient norm {norm}; both must be "
                f"finite. {kept}; a lower --learning-rate, or --precision float32, may help"
            )
        return loss, norm

    def _micro_batch(self, number: int) -> MaskedBatch:
        batch = mask_tokens(self.stream.batch(number), self.settings.seed, number)
        return batch.pinned() if self.device.type == "cuda" else batch

    def _count(self, seconds: float) -> None:
        state = self.state
        self.state = replace(
            state,
            step=state.step + 1,
            tokens=state.tokens + self.settings.batch_tokens,
            seconds=state.seconds + seconds,
        )

    def _evaluates(self) -> bool:
        return self.state.step % self.options.evaluate_steps == 0 or self.progress >= 1

    def _log(
        self, losses: Sequence[float], training: float, learning_rate: float, norm: float
    ) -> Validation | None:
        found = self.validate() if self._evaluates() else None
        self.record.add(
            Row(
                step=self.state.step,
                tokens=self.state.tokens,
                seconds=round(self.state.seconds, 1),
                loss=round(sum(losses) / len(losses), 5),
                learning_rate=learning_rate,
                gradient_norm=round(norm, 4),
                tokens_per_second=round(len(losses) * self.settings.batch_tokens / training, 1),
                validation_perplexity=None if found is None else round(found.perplexity, 4),
                validation_accuracy=None if found is None else round(found.accuracy, 5),
            )
        )
        if found is not None and self.draws:
            self.record.draw(self.output / CURVE, float(self.corpus.manifest["unigram_perplexity"]))
        return found

    def save(self, name: str) -> None:
        """Write a checkpoint.

        Raises
        ------
        OutputError
            If it cannot be written; the previous checkpoint remains.
        """
        write_checkpoint(
            self.output / name,
            self.learner.state(),
            self.state,
            corpus=self.corpus.key,
            settings=dataclasses.asdict(self.settings),
        )

    def _save_or_warn(self, name: str) -> None:
        try:
            self.save(name)
        except OutputError as error:
            # The previous checkpoint is intact, so a full disk does not end the run.
            warnings.warn(
                f"{error}; the run continues, and the previous checkpoint remains", PpiWarning, stacklevel=2
            )
