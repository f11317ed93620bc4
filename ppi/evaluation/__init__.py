"""Honest scores: metrics with intervals, baselines, strata."""
