"""The learning rate: warm-up, stable, decay (Hu et al. 2024, MiniCPM)."""

from __future__ import annotations

from ppi.errors import SettingsError
from ppi.pretraining.settings import PretrainSettings


def decay_start(settings: PretrainSettings, begun: float) -> float:
    """Return the progress at which the rate begins to fall.

    Parameters
    ----------
    settings
        Settings of the run.
    begun
        Progress at which the run starts, if it continues from a checkpoint of another run.

    Raises
    ------
    SettingsError
        If nothing is left to do.
    """
    if begun >= 1:
        raise SettingsError(
            "the checkpoint is already past the end of this run; give a larger --steps, --tokens or "
            "--minutes, which include those of the checkpoint"
        )
    return max(1 - settings.decay_fraction, begun)


def rate(settings: PretrainSettings, step: int, progress: float, start: float) -> float:
    """Return the learning rate of a step.

    Parameters
    ----------
    settings
        Settings of the run.
    step
        Step number, counted from 0.
    progress
        Fraction of the run that is done, 0 to 1; see `PretrainSettings.progress`.
    start
        Progress at which the rate begins to fall; see `decay_start`.
    """
    warm = min(1.0, (step + 1) / settings.warmup_steps)
    done = min(max((progress - start) / (1 - start), 0.0), 1.0)
    left = 1 - (done**0.5 if settings.decay_shape == "sqrt" else done)
    return settings.learning_rate * warm * left
