"""Measure how much of a split's test part its training part already contains."""
