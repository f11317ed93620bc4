"""Suggest the next variants to measure: a pool, what is left out of it, a diverse batch, and its plate."""
