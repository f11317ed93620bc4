"""The settings of a pretraining, which determine its result, and the options of its run, which do not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from ppi.devices import Precision
from ppi.errors import SettingsError
from ppi.setting_groups import SettingGroup

DecayShape = Literal["sqrt", "linear"]
MatrixOptimizer = Literal["muon", "adamw"]


@dataclass(frozen=True)
class PretrainSettings:
    """The settings that determine the result of a pretraining; a run is only resumed with the same settings.

    Parameters
    ----------
    depth
        Number of transformer layers.
    width
        Width of a residue embedding, a multiple of twice the number of attention heads.
    heads
        Number of attention heads of a layer; a width of 64 per head suits every attention kernel.
    context
        Maximum number of tokens of a crop of a sequence, including the tokens at its ends.
    micro_tokens
        Number of tokens that are computed at once.
    batch_tokens
        Number of tokens of one optimiser step, a multiple of micro_tokens.
    optimizer
        Optimiser of the matrices. muon: orthogonalised momentum (Jordan 2024). AdamW updates all other
        weights.
    learning_rate
        Learning rate in the stable phase.
    weight_decay
        Weight decay of matrices; norms, biases and token embeddings have none.
    clip
        Maximum norm of the gradient.
    warmup_steps
        Number of steps over which the learning rate rises linearly.
    decay_fraction
        Fraction of the run, at its end, over which the learning rate falls to zero.
    decay_shape
        sqrt: 1 - sqrt(completed fraction of the decay) (Haegele et al. 2024). linear: 1 - completed fraction.
    steps
        Stop after this many optimiser steps. At least one of steps, tokens and minutes is needed; the first
        that is reached counts.
    tokens
        Stop after this many tokens.
    minutes
        Stop after training for this long. How the rate falls then depends on how fast the machine is.
    precision
        Precision of the computation; weights are kept in float32. auto: bfloat16 if the hardware multiplies
        it natively.
    seed
        Seed of weights, order, crops, masks and the choice of validation sequences.
    validation_fraction
        Fraction of the residues that is held out, in clusters of 50 % identity.
    start_from
        Start from the weights of a trained model instead of random ones: ppi-mini, or the folder of an ESM-2
        of this width. Missing layers are added between its own and initially change nothing.
    select
        Train only on sequences that a trained model reads by retrieval: those whose loss rises most when the
        heads that attend to copies are switched off. ppi-mini, or the folder of an ESM-2.
    select_share
        With select: fraction of the training sequences to keep, those whose loss rises most.

    Raises
    ------
    SettingsError
        If a value is not possible.
    """

    depth: Annotated[int, SettingGroup.MODEL] = 6
    width: Annotated[int, SettingGroup.MODEL] = 320
    heads: Annotated[int, SettingGroup.MODEL] = 5
    context: Annotated[int, SettingGroup.DATA] = 512
    micro_tokens: Annotated[int, SettingGroup.HARDWARE] = 2048
    batch_tokens: int = 16_384
    optimizer: MatrixOptimizer = "muon"
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    clip: float = 1.0
    warmup_steps: int = 200
    decay_fraction: float = 0.2
    decay_shape: DecayShape = "sqrt"
    steps: int | None = None
    tokens: int | None = None
    minutes: float | None = None
    precision: Annotated[Precision, SettingGroup.HARDWARE] = "auto"
    seed: int = 0
    validation_fraction: Annotated[float, SettingGroup.DATA] = 0.005
    start_from: Annotated[str | None, SettingGroup.MODEL] = None
    select: Annotated[str | None, SettingGroup.DATA] = None
    select_share: Annotated[float, SettingGroup.DATA] = 0.2

    def __post_init__(self) -> None:
        _at_least(
            self,
            1,
            "depth",
            "width",
            "heads",
            "micro_tokens",
            "batch_tokens",
            "steps",
            "tokens",
            "warmup_steps",
        )
        _above_zero(
            self, "learning_rate", "clip", "minutes", "decay_fraction", "validation_fraction", "select_share"
        )
        _at_least(self, 8, "context")
        _at_least(self, 0, "weight_decay", "seed")
        _below_one(self, "decay_fraction", "validation_fraction", "select_share")
        if self.width % self.heads or self.width // self.heads % 2:
            raise SettingsError(
                f"--width {self.width} is not a multiple of twice --heads {self.heads}; give one that is"
            )
        if self.batch_tokens % self.micro_tokens:
            raise SettingsError(
                f"--batch-tokens {self.batch_tokens} is not a multiple of --micro-tokens {self.micro_tokens}"
            )

    def check_end(self) -> None:
        """Raise if no end of the run is set.

        Raises
        ------
        SettingsError
            If there are neither steps nor tokens nor minutes.
        """
        if self.steps is None and self.tokens is None and self.minutes is None:
            raise SettingsError("the run has no end; give --steps, --tokens or --minutes")

    @property
    def micro_batches(self) -> int:
        """Number of micro-batches of one optimiser step."""
        return self.batch_tokens // self.micro_tokens

    def progress(self, step: int, tokens: int, seconds: float) -> float:
        """Return the fraction of the run that is done: by steps, tokens or time, whichever is largest."""
        parts = [
            done / whole
            for done, whole in (
                (step, self.steps),
                (tokens, self.tokens),
                (seconds / 60, self.minutes),
            )
            if whole is not None
        ]
        return max(parts)


@dataclass(frozen=True)
class RunOptions:
    """The options of a pretraining run, which do not affect the result.

    Parameters
    ----------
    prepared
        Folder of the tokenised corpus, made once and used again; by default the folder corpus in the output.
    held_out
        The manifest.json of the same corpus prepared elsewhere, whose validation sequences are used; then
        MMseqs2 is not needed.
    compare_with
        The manifest.json of the prepared corpus of an earlier model, whose files are among those given: its
        validation sequences are held out again, so that the figures of both models can be compared.
    resume
        Continue the run in the output folder from its last checkpoint, if there is one.
    decay_from
        Checkpoint of another run, written before its learning rate fell, from which to continue.
    device
        auto, cpu, cuda or cuda:N.
    threads
        CPU threads; by default torch's own choice.
    compile
        Compile the layers with torch.compile: a minute at the start, and faster steps on a GPU.
    checkpoint_minutes
        Time between checkpoints.
    log_steps
        Number of optimiser steps between lines of the log.
    evaluate_steps
        Number of optimiser steps between evaluations on the validation sequences.
    validation_tokens
        Maximum number of validation tokens to evaluate; they and their masks are always the same.

    Raises
    ------
    SettingsError
        If a value is not possible.
    """

    prepared: Annotated[Path | None, SettingGroup.DATA] = None
    held_out: Annotated[Path | None, SettingGroup.DATA] = None
    compare_with: Annotated[Path | None, SettingGroup.DATA] = None
    resume: Annotated[bool, SettingGroup.OUTPUT] = False
    decay_from: Annotated[Path | None, SettingGroup.OUTPUT] = None
    device: str = "auto"
    threads: int | None = None
    compile: bool = False
    checkpoint_minutes: Annotated[float, SettingGroup.OUTPUT] = 10.0
    log_steps: Annotated[int, SettingGroup.OUTPUT] = 20
    evaluate_steps: Annotated[int, SettingGroup.OUTPUT] = 250
    validation_tokens: Annotated[int, SettingGroup.OUTPUT] = 131_072

    def __post_init__(self) -> None:
        _at_least(self, 1, "threads", "log_steps", "evaluate_steps", "validation_tokens")
        _at_least(self, 0, "checkpoint_minutes")
        if self.resume and self.decay_from is not None:
            raise SettingsError("--resume and --decay-from exclude each other; give only one of them")


def _at_least(settings: object, least: int, *names: str) -> None:
    for name in names:
        value = getattr(settings, name)
        if value is not None and not value >= least:
            raise SettingsError(f"{_flag(name)} {value}: give {least} or more")


def _above_zero(settings: object, *names: str) -> None:
    for name in names:
        value = getattr(settings, name)
        if value is not None and not 0 < value < float("inf"):
            raise SettingsError(f"{_flag(name)} {value}: give a number above 0")


def _below_one(settings: object, *names: str) -> None:
    for name in names:
        if not getattr(settings, name) < 1:
            raise SettingsError(f"{_flag(name)} {getattr(settings, name)}: give a number below 1")


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
