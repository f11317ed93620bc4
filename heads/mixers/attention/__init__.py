"""Attention variants of the mixer ``attention``."""
