"""Evaluation: scores with intervals, baselines and strata."""
