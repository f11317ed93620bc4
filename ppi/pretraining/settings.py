"""The settings of a pretraining: what decides the result, and how and where the run is done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ppi.devices import Precision
from ppi.errors import SettingsError

DecayShape = Literal["sqrt", "linear"]
MatrixOptimizer = Literal["muon", "adamw"]


@dataclass(frozen=True)
class PretrainSettings:
    """What decides the result of a pretraining; a run is only resumed with the same.

    Parameters
    ----------
    depth
        Transformer layers.
    width
        Of a residue embedding; `heads` attention heads share it.
    heads
        Attention heads of a layer; a width of 64 each suits every attention kernel.
    context
        Tokens of the longest crop of a sequence; the marks of its ends count.
    micro_tokens
        Tokens that go through the model at once.
    batch_tokens
        Tokens of one optimiser step, a multiple of micro_tokens.
    optimizer
        Of the matrices. muon: momentum made orthogonal (Jordan 2024). All else is changed by AdamW.
    learning_rate
        While it is stable.
    weight_decay
        Of matrices; norms, biases and token embeddings have none.
    clip
        Largest norm of the gradient.
    warmup_steps
        Over which the rate rises linearly.
    decay_fraction
        Last part of the run, over which the rate falls to zero.
    decay_shape
        sqrt: 1 - sqrt of the part of the decay that is done (Haegele et al. 2024). linear: 1 minus that part.
    steps
        Stop after this many optimiser steps. At least one of steps, tokens and minutes is needed; the first
        that is reached counts.
    tokens
        Stop after this many tokens.
    minutes
        Stop after training for this long. How the rate falls then depends on how fast the machine is.
    precision
        Of the computation; weights are kept in float32. auto: bfloat16 where it is multiplied natively.
    seed
        Of weights, order, crops, masks and of the choice of validation sequences.
    validation_fraction
        Part of the residues that is held out, in whole clusters of 50 % identity.
    start_from
        Begin from the weights of a trained model instead of random ones: ppi-mini, or the folder of an ESM-2
        of this width. Layers that it lacks are added between its own and change nothing at first.

    Raises
    ------
    SettingsError
        If a value is not possible.
    """

    depth: int = 6
    width: int = 320
    heads: int = 5
    context: int = 512
    micro_tokens: int = 2048
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
    precision: Precision = "auto"
    seed: int = 0
    validation_fraction: float = 0.005
    start_from: str | None = None

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
        _above_zero(self, "learning_rate", "clip", "minutes", "decay_fraction", "validation_fraction")
        _at_least(self, 8, "context")
        _at_least(self, 0, "weight_decay", "seed")
        _below_one(self, "decay_fraction", "validation_fraction")
        if self.width % self.heads or self.width // self.heads % 2:
            raise SettingsError(
                f"--width {self.width} is not shared evenly by --heads {self.heads}; give a multiple "
                "of twice as many"
            )
        if self.batch_tokens % self.micro_tokens:
            raise SettingsError(
                f"--batch-tokens {self.batch_tokens} is not a multiple of --micro-tokens {self.micro_tokens}"
            )

    def check_end(self) -> None:
        """Raise if nothing says when the run stops.

        Raises
        ------
        SettingsError
            If there are neither steps nor tokens nor minutes.
        """
        if self.steps is None and self.tokens is None and self.minutes is None:
            raise SettingsError("say when to stop: --steps, --tokens or --minutes")

    @property
    def micro_batches(self) -> int:
        """Batches that go through the model for one optimiser step."""
        return self.batch_tokens // self.micro_tokens

    def progress(self, step: int, tokens: int, seconds: float) -> float:
        """Return which part of the run is done: by steps, tokens or time, whichever is furthest."""
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
    """How and where a pretraining is run; none of it decides the result.

    Parameters
    ----------
    prepared
        Folder of the tokenised corpus, made once and used again; by default the folder corpus in the output.
    held_out
        The manifest.json of the same corpus prepared elsewhere, whose validation sequences are taken over;
        MMseqs2 is not needed then.
    compare_with
        The manifest.json of the prepared corpus of an earlier model, whose files are among those given: its
        validation sequences are held out again, so that the figures of both models can be compared.
    resume
        Go on with the run in the output folder from its last checkpoint, if there is one.
    decay_from
        Checkpoint, written before the rate fell, of another run to go on from.
    device
        auto, cpu, cuda or cuda:N.
    threads
        CPU threads; by default torch's own choice.
    compile
        Compile the layers with torch.compile: a minute at the start, and faster steps on a GPU.
    checkpoint_minutes
        Time between checkpoints.
    log_steps
        Optimiser steps between lines of the log.
    evaluate_steps
        Optimiser steps between evaluations on the validation sequences.
    validation_tokens
        Most validation tokens that are evaluated, always the same, with the same masks.

    Raises
    ------
    SettingsError
        If a value is not possible.
    """

    prepared: Path | None = None
    held_out: Path | None = None
    compare_with: Path | None = None
    resume: bool = False
    decay_from: Path | None = None
    device: str = "auto"
    threads: int | None = None
    compile: bool = False
    checkpoint_minutes: float = 10.0
    log_steps: int = 20
    evaluate_steps: int = 250
    validation_tokens: int = 131_072

    def __post_init__(self) -> None:
        _at_least(self, 1, "threads", "log_steps", "evaluate_steps", "validation_tokens")
        _at_least(self, 0, "checkpoint_minutes")
        if self.resume and self.decay_from is not None:
            raise SettingsError(
                "--resume and --decay-from exclude each other: a run goes on from one checkpoint"
            )


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
