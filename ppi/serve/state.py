"""What the routes of a server share."""

from __future__ import annotations

from dataclasses import dataclass

from ppi.prediction.predictor import Predictor
from ppi.serve.batching import Batcher
from ppi.serve.jobs import Jobs
from ppi.serve.metrics import Metrics
from ppi.serve.settings import ServeSettings


@dataclass(frozen=True)
class State:
    """The parts of a server; `description` says what the model is."""

    predictor: Predictor
    settings: ServeSettings
    description: str
    batcher: Batcher
    jobs: Jobs
    metrics: Metrics

    @classmethod
    def begin(cls, predictor: Predictor, settings: ServeSettings, description: str) -> State:
        """Return the parts, at work."""
        batcher, jobs = Batcher(predictor, settings), Jobs(settings)
        return cls(predictor, settings, description, batcher, jobs, Metrics())

    def close(self) -> None:
        """Stop all work."""
        self.batcher.close()
        self.jobs.close()
