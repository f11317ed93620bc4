"""Backbone and head as one model, its folder on disk, and ensembles of such models."""
