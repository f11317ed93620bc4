"""What the jobs around measured variants do: learn from them, rank others, suggest a plate."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pandas as pd

from ppi.prediction.predictor import Predictor
from ppi.serve.inputs import MeasuredVariants
from ppi.serve.rows import json_rows
from ppi.serve.schemas import AdaptRequest, SuggestRequest
from ppi.serve.work import JobResult, job_result

if TYPE_CHECKING:
    from ppi.prediction.adapting.model import AdaptedModel
    from ppi.prediction.adapting.validation import Score


def adapt_work(predictor: Predictor, given: MeasuredVariants, request: AdaptRequest) -> JobResult:
    """Learn from measured variants; rank a pool if there is one, or else return the scores."""
    from ppi.prediction.adapting.summary import summary_text

    model = predictor.adapt(given.measured, wild=given.wild, value=request.value, seed=request.seed)
    learnt = _learnt(model)
    table = (
        pd.DataFrame(learnt["scores"])
        if given.pool is None
        else model.predict(given.pool).sort_values("rank")
    )
    return job_result(table, summary_text(model), learnt=learnt)


def suggest_work(predictor: Predictor, given: MeasuredVariants, request: SuggestRequest) -> JobResult:
    """Learn from measured variants, and choose the next ones."""
    from ppi.prediction.adapting.summary import summary_text as learnt_text
    from ppi.prediction.suggesting.suggest import suggest
    from ppi.prediction.suggesting.summary import summary_text

    model = predictor.adapt(given.measured, wild=given.wild, value=request.value, seed=request.seed)
    found = suggest(
        model,
        given.pool,
        target=request.target,
        sites=request.sites,
        library=request.library,
        by=request.by,
        size=request.size,
        most_mutations=request.most_mutations,
        avoid=request.avoid,
        plate=request.plate,
        controls=request.controls,
        seed=request.seed,
    )
    return job_result(found.table, learnt_text(model) + "\n" + summary_text(found), learnt=_learnt(model))


def _learnt(model: AdaptedModel) -> dict[str, Any]:
    """Return scores, learning curves and warnings, for JSON."""
    from ppi.prediction.adapting.cautions import cautions

    warned, scores, curves = [], [], []
    for name, target in model.targets.items():
        found = model.validations[name]
        of = {"target": name} if name else {}
        warned += [f"{name}: {text}" if name else text for text in cautions(target, found)]
        held = {score.name: score for score in found.held_out}
        scores += [of | _scores(score, held.get(score.name)) for score in found.left_out]
        curves.append(
            {
                "target": name,
                "variants": found.variants,
                "positions": found.positions,
                "column": target.column,
                "coverage": found.coverage,
                "points": [{"variants": size, "spearman": value} for size, value in found.curve],
            }
        )
    return {"warnings": warned, "scores": json_rows(pd.DataFrame(scores)), "targets": curves}


def _scores(left_out: Score, held_out: Score | None) -> dict[str, Any]:
    columns: Iterable[tuple[str, Score | None]] = (("", left_out), ("_held_out", held_out))
    return {"predictor": left_out.name} | {
        f"{name}{suffix}": math.nan if score is None else getattr(score, name)
        for suffix, score in columns
        for name in ("spearman", "rmse")
    }
