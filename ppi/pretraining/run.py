"""Run a pretraining from corpus to model folder; it can be stopped and resumed."""

from __future__ import annotations

import dataclasses
import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from data_curation.files import check_writable_folder
from heads.kernels.flash import flash_takes
from ppi.devices import choose_device
from ppi.errors import PpiWarning, SettingsError
from ppi.pretraining.checkpoint import RunState, read_checkpoint, refuse_other_run
from ppi.pretraining.corpus import prepare_corpus
from ppi.pretraining.growth import grown_weights
from ppi.pretraining.loop import CHECKPOINT, LOG, STABLE, Loop
from ppi.pretraining.model import save_model
from ppi.pretraining.record import Record
from ppi.pretraining.schedule import decay_start
from ppi.pretraining.settings import PretrainSettings, RunOptions
from ppi.pretraining.validation import Validation
from ppi.provenance import code_provenance

_LOG = logging.getLogger(__name__)
MODEL = "model"
#: Settings that a checkpoint of another run must share: those that its tensors and its data depend on.
_SHAPE = ("corpus", "depth", "width", "heads", "context", "seed", "optimizer")


@dataclass(frozen=True)
class Pretrained:
    """The result of a run: the folder of the model, the progress of the run, and its validation figures."""

    model: Path
    state: RunState
    validation: Validation
    unigram_perplexity: float

    def summary(self) -> str:
        """Return a summary in one line."""
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
        Folder for ``model`` (for `ppi.backbones.registry.build_backbone` and the transformers
        library), ``log.csv``, ``curve.png``, ``checkpoint.safetensors`` (the last one),
        ``stable.safetensors`` (the last one before the rate fell), with ``settings.select`` ``selection``
        and, unless `options` say otherwise, ``corpus``.
    settings
        Settings that determine the result.
    options
        Options that do not affect the result.

    Raises
    ------
    InputError
        If the corpus cannot be used.
    SettingsError
        If settings are invalid, or the output has a run that is not to be resumed or has another corpus or
        other settings.
    ModelError
        If a checkpoint or the initial model cannot be read, or has another shape.
    TrainingError
        If the loss is not finite.
    OutputError
        If the result cannot be written.
    """
    options = options or RunOptions()
    settings.check_end()
    if settings.start_from is not None and options.decay_from is not None:
        raise SettingsError("--start-from and --decay-from exclude each other; give only one of them")
    check_writable_folder(output)
    if (output / CHECKPOINT).exists() and not options.resume:
        raise SettingsError(f"{output} contains a run; continue it with --resume, or choose another --output")
    device = torch.device(choose_device(options.device))
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    prepared = prepare_corpus(
        corpus,
        options.prepared or output / "corpus",
        validation_fraction=settings.validation_fraction,
        seed=settings.seed,
        held_out=options.held_out,
        compare_with=options.compare_with,
    )
    if settings.select is not None:
        from ppi.pretraining.selection import selected  # It needs more packages than a run without it.

        prepared = selected(prepared, output, settings, device, resume=options.resume)
    loop = Loop(prepared, output, settings, options, device)
    _log_start(loop)
    _restore(loop)
    return _written(loop, loop.run())


def _restore(loop: Loop) -> None:
    """Load the checkpoint or the trained model from which the run starts, if there is one."""
    own, other = loop.output / CHECKPOINT, loop.options.decay_from
    identity = {**dataclasses.asdict(loop.settings), "corpus": loop.corpus.key}
    if loop.options.resume and own.exists():
        tensors, state, recorded = read_checkpoint(own)
        refuse_other_run(own, recorded, identity)
        loop.record = Record(loop.output / LOG, until=state.step)
    elif other is not None:
        tensors, state, recorded = read_checkpoint(other)
        refuse_other_run(other, *({key: which.get(key) for key in _SHAPE} for which in (recorded, identity)))
        if state.decaying:
            raise SettingsError(
                f"{other} was written after the learning rate had begun to fall; use {STABLE} of that run"
            )
        begun = loop.settings.progress(state.step, state.tokens, state.seconds)
        state = replace(state, decay_start=decay_start(loop.settings, begun))
    elif loop.settings.start_from is not None:
        loop.learner.load(grown_weights(loop.settings.start_from, loop.config))
        return
    else:
        return
    loop.learner.restore(tensors, state.step)
    loop.state = state
    if not own.exists():
        loop.save(CHECKPOINT)  # A resumed run starts from this checkpoint.


def _written(loop: Loop, found: Validation) -> Pretrained:
    corpus = {key: value for key, value in loop.corpus.manifest.items() if key != "held_out"}
    manifest = {
        "settings": dataclasses.asdict(loop.settings),
        "state": dataclasses.asdict(loop.state),
        "validation": dataclasses.asdict(found),
        "corpus": corpus,
        **code_provenance(),
    }
    loop.save(CHECKPOINT)
    save_model(loop.config, loop.learner.weights, loop.output / MODEL, manifest)
    return Pretrained(loop.output / MODEL, loop.state, found, float(corpus["unigram_perplexity"]))


def _log_start(loop: Loop) -> None:
    counted, settings = loop.corpus.manifest, loop.settings
    weights = sum(weight.numel() for weight in loop.learner.weights.values())
    lines = [
        f"{part}: {counted[part]['sequences']:,} sequences, {counted[part]['residues']:,} residues"
        for part in ("train", "validation")
    ]
    if counted["repeated"]:
        lines.append(f"left out because they occur more than once: {counted['repeated']:,} sequence(s)")
    if counted["dropped"]:
        lines.append(f"dropped: {counted['dropped']} sequence(s), first {counted['first_dropped']}")
    lines.append(
        f"{weights:,} weights; {loop.device}, {str(loop.dtype).removeprefix('torch.')}; a step is "
        f"{settings.batch_tokens:,} tokens, an epoch {loop.stream.epoch_tokens:,}; perplexity of residue "
        f"frequencies alone {counted['unigram_perplexity']:.2f}"
    )
    if settings.steps is not None and settings.steps <= settings.warmup_steps:
        lines.append(
            f"all {settings.steps} steps are warm-up; give fewer --warmup-steps to reach the full rate"
        )
    if not loop.draws:
        lines.append("matplotlib is not installed: there will be no curve")
    for line in lines:
        _LOG.info(line)
    if loop.device.type == "cuda":
        _warn_without_flash(loop)


def _warn_without_flash(loop: Loop) -> None:
    shape = (1, loop.settings.heads, loop.settings.width // loop.settings.heads)
    if not flash_takes(torch.empty(shape, device=loop.device, dtype=loop.dtype)):
        warnings.warn(
            (
                "flash attention over packed sequences is not available here (it needs bfloat16, a head "
                "width that is a multiple of 8, and torch 2.10); the attention of each sequence is computed "
                "separately, which is slow"
            ),
            PpiWarning,
            stacklevel=2,
        )
