"""Attentions: the part in which the variants of the mixer ``attention`` differ."""
