"""The learning rate: warm-up, stable, decay (Hu et al. 2024, MiniCPM)."""

from __future__ import annotations

from ppi.errors import SettingsError
from ppi.pretraining.settings import PretrainSettings


def decay_start(settings: PretrainSettings, begun: float) -> float:
    """Return the progress at which the rate begins to fall.

    Parameters
    ----------
    settings
        Of the run.
    begun
        Progress at which the run begins, where it goes on from a checkpoint of another.

    Raises
    ------
    SettingsError
        If there is nothing left to do.
    """
    if begun >= 1:
        raise SettingsError(
            "the checkpoint is already past the end of this run; a larger --steps, --tokens or --minutes was "
            "expected: what the checkpoint took is counted in"
        )
    return max(1 - settings.decay_fraction, begun)


def rate(settings: PretrainSettings, step: int, progress: float, start: float) -> float:
    """Return the learning rate of a step.

    Parameters
    ----------
    settings
        Of the run.
    step
        Counted from 0.
    progress
        Part of the run that is done, 0 to 1; see `PretrainSettings.progress`.
    start
        See `decay_start`.
    """
    warm = min(1.0, (step + 1) / settings.warmup_steps)
    done = min(max((progress - start) / (1 - start), 0.0), 1.0)
    left = 1 - (done**0.5 if settings.decay_shape == "sqrt" else done)
    return settings.learning_rate * warm * left
