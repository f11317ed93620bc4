"""Mixers: what may stand between the backbone and the pooling."""
