"""A pretraining from corpus to model folder, stopped and resumed at will."""

from __future__ import annotations

import dataclasses
import math
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from data_curation.errors import OutputError
from data_curation.files import check_writable_folder
from heads.kernels.flash import flash_takes
from ppi.devices import choose_device, native_dtype
from ppi.errors import PpiWarning, SettingsError, TrainingError
from ppi.pretraining.batches import TokenStream
from ppi.pretraining.checkpoint import RunState, read_checkpoint, refuse_other_run, write_checkpoint
from ppi.pretraining.corpus import Corpus, prepare_corpus
from ppi.pretraining.masking import MaskedBatch, mask_tokens, prefetched
from ppi.pretraining.model import save_model, small_config
from ppi.pretraining.optimiser import Learner
from ppi.pretraining.record import Record, Row
from ppi.pretraining.schedule import decay_start, rate
from ppi.pretraining.settings import PretrainSettings, RunOptions
from ppi.pretraining.validation import Validation, validate, validation_batches
from ppi.provenance import code_provenance

CHECKPOINT, STABLE, MODEL, LOG, CURVE = (
    "checkpoint.safetensors",
    "stable.safetensors",
    "model",
    "log.csv",
    "curve.png",
)
#: Settings that a checkpoint of another run must share: those that its tensors and its data depend on.
_SHAPE = ("corpus", "depth", "width", "heads", "context", "seed")


@dataclass(frozen=True)
class Pretrained:
    """What came out of a run: the folder of the model, how far the run went, and its validation figures."""

    model: Path
    state: RunState
    validation: Validation
    unigram_perplexity: float

    def summary(self) -> str:
        """Return one line for people."""
        found = self.validation
        return (
            f"{self.model}: {self.state.step} steps, {self.state.tokens:,} tokens; validation perplexity "
            f"{found.perplexity:.2f} (residue frequencies alone {self.unigram_perplexity:.2f}), accuracy "
            f"{found.accuracy:.1%}"
        )


def pretrain(
    corpus: Sequence[Path], *, output: Path, settings: PretrainSettings, options: RunOptions | None = None
) -> Pretrained:
    """Pretrain a small ESM-2 on protein sequences by masked language modelling.

    Parameters
    ----------
    corpus
        Files of sequences; see `ppi.pretraining.corpus.prepare_corpus`.
    output
        Folder that gets ``model`` (for `ppi.backbones.registry.build_backbone` and the transformers
        library), ``log.csv``, ``curve.png``, ``checkpoint.safetensors`` (the last one),
        ``stable.safetensors`` (the last one before the rate fell) and, unless `options` say otherwise,
        ``corpus``.
    settings
        What decides the result.
    options
        How and where it is run.

    Raises
    ------
    InputError
        If the corpus cannot be used.
    SettingsError
        If settings are not possible, the output holds a run and it is not to be resumed, or it is of another
        corpus or other settings.
    ModelError
        If a checkpoint cannot be read.
    TrainingError
        If the loss is not finite.
    OutputError
        If the result cannot be written.
    """
    options = options or RunOptions()
    settings.check_end()
    check_writable_folder(output)
    if (output / CHECKPOINT).exists() and not options.resume:
        raise SettingsError(f"{output} holds a run; --resume goes on with it, another --output begins anew")
    device = torch.device(choose_device(options.device))
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    prepared = prepare_corpus(
        corpus,
        options.prepared or output / "corpus",
        validation_fraction=settings.validation_fraction,
        seed=settings.seed,
        held_out=options.held_out,
    )
    run = _Run(prepared, output, settings, options, device)
    run.restore()
    return run.finish()


class _Run:
    """One run in progress."""

    def __init__(
        self,
        corpus: Corpus,
        output: Path,
        settings: PretrainSettings,
        options: RunOptions,
        device: torch.device,
    ) -> None:
        self.corpus, self.output, self.settings, self.options = corpus, output, settings, options
        self.device = device
        self.config = small_config(
            depth=settings.depth, width=settings.width, heads=settings.heads, context=settings.context
        )
        dtype = native_dtype(settings.precision)
        self.learner = Learner(
            self.config, settings, device=device, dtype=dtype, compile_layers=options.compile
        )
        self.stream = TokenStream(
            corpus.train, context=settings.context, batch_tokens=settings.micro_tokens, seed=settings.seed
        )
        self.held_out = validation_batches(
            corpus.validation, context=settings.context, most_tokens=options.validation_tokens
        )
        self.unigram_perplexity = float(corpus.manifest["unigram_perplexity"])
        self.provenance = code_provenance()
        self.state = RunState(decay_start=decay_start(settings, 0.0))
        self.record = Record(output / LOG)
        self.validation: Validation | None = None
        self._say_what(dtype)

    @property
    def identity(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self.settings), "corpus": self.corpus.key}

    @property
    def progress(self) -> float:
        return self.settings.progress(self.state.step, self.state.tokens, self.state.seconds)

    def restore(self) -> None:
        """Take over the checkpoint that the options name, if there is one."""
        own = self.output / CHECKPOINT
        if self.options.resume and own.exists():
            tensors, state, recorded = read_checkpoint(own)
            refuse_other_run(own, recorded, self.identity)
            self.record = Record(self.output / LOG, until=state.step)
        elif self.options.decay_from is not None:
            path = self.options.decay_from
            tensors, state, recorded = read_checkpoint(path)
            refuse_other_run(
                path, *({key: which[key] for key in _SHAPE} for which in (recorded, self.identity))
            )
            if state.decaying:
                raise SettingsError(
                    f"{path} was written after the rate had begun to fall; {STABLE} of that run is from "
                    "before"
                )
            begun = self.settings.progress(state.step, state.tokens, state.seconds)
            state = replace(state, decay_start=decay_start(self.settings, begun))
        else:
            return
        self.learner.restore(tensors, state.step)
        self.state = state

    def finish(self) -> Pretrained:
        """Train to the end, and write everything."""
        first, saved = self.state.tokens // self.settings.micro_tokens, time.monotonic()
        batches = prefetched(self._micro_batch, first)
        losses: list[float] = []
        training, before = 0.0, time.monotonic()
        while self.progress < 1:
            if not self.state.decaying and self.progress >= self.state.decay_start:
                self._save(STABLE)
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
                self._log(losses, training, learning_rate, norm)
                losses, training = [], 0.0
            if time.monotonic() - saved >= self.options.checkpoint_minutes * 60:
                self._save_or_warn()
                saved = time.monotonic()
        batches.close()
        return self._end()

    def _step(self, batches: Sequence[MaskedBatch], learning_rate: float) -> tuple[float, float]:
        """Do one optimiser step; return loss and gradient norm."""
        losses = [self.learner.backward(batch.to(self.device), 1 / len(batches)) for batch in batches]
        loss, norm = torch.stack([torch.stack(losses).sum(), self.learner.gradient_norm()]).tolist()
        if not (math.isfinite(loss) and math.isfinite(norm)):
            last = self.output / CHECKPOINT
            kept = f"{last} holds the last checkpoint" if last.exists() else "there is no checkpoint yet"
            raise TrainingError(
                f"step {self.state.step + 1}: loss {loss}, gradient norm {norm}; both were expected to be "
                f"finite. {kept}; a lower --learning-rate, or --precision float32, may help"
            )
        self.learner.step(learning_rate)
        return loss, norm

    def _micro_batch(self, number: int) -> MaskedBatch:
        return mask_tokens(self.stream.batch(number), self.settings.seed, number)

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

    def _log(self, losses: Sequence[float], training: float, learning_rate: float, norm: float) -> None:
        self.validation = (
            validate(self.learner.model, self.held_out, self.device) if self._evaluates() else None
        )
        found = self.validation
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
        if found is not None:
            self.record.draw(self.output / CURVE, self.unigram_perplexity)

    def _save(self, name: str) -> None:
        write_checkpoint(
            self.output / name,
            self.learner.state(),
            self.state,
            corpus=self.corpus.key,
            settings=dataclasses.asdict(self.settings),
        )

    def _save_or_warn(self) -> None:
        try:
            self._save(CHECKPOINT)
        except OutputError as error:
            # What was written before is still whole, and hours of work are not lost to a full disk.
            warnings.warn(f"{error}; the run goes on, the last checkpoint stays", PpiWarning, stacklevel=2)

    def _end(self) -> Pretrained:
        found = self.validation or validate(self.learner.model, self.held_out, self.device)
        manifest = {
            "settings": dataclasses.asdict(self.settings),
            "state": dataclasses.asdict(self.state),
            "validation": dataclasses.asdict(found),
            "corpus": {key: value for key, value in self.corpus.manifest.items() if key != "held_out"},
            **self.provenance,
        }
        save_model(self.config, self.learner.weights, self.output / MODEL, manifest)
        self._save(CHECKPOINT)
        return Pretrained(self.output / MODEL, self.state, found, self.unigram_perplexity)

    def _say_what(self, dtype: torch.dtype) -> None:
        counted, settings = self.corpus.manifest, self.settings
        weights = sum(weight.numel() for weight in self.learner.weights.values())
        for part in ("train", "validation"):
            print(
                f"{part}: {counted[part]['sequences']:,} sequences, {counted[part]['residues']:,} residues",
                file=sys.stderr,
            )
        if counted["dropped"]:
            print(f"dropped: {counted['dropped']} ({counted['first_dropped']}, ...)", file=sys.stderr)
        print(
            f"{weights:,} weights; {self.device}, {str(dtype).removeprefix('torch.')}; a step is "
            f"{settings.batch_tokens:,} tokens, an epoch {self.stream.epoch_tokens:,}; perplexity of residue "
            f"frequencies alone {self.unigram_perplexity:.2f}",
            file=sys.stderr,
        )
        if self.device.type == "cuda":
            query = torch.empty(
                1, settings.heads, settings.width // settings.heads, device=self.device, dtype=dtype
            )
            if not flash_takes(query):
                warnings.warn(
                    "no flash attention over packed sequences here (bfloat16, heads of a multiple of 8 and "
                    "torch 2.10 have it): each sequence is attended on its own, which is slow",
                    PpiWarning,
                    stacklevel=2,
                )
