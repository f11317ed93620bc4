"""Mixers: optional layers between the backbone and the pooling."""
