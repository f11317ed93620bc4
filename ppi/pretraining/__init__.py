"""Pretraining of a small protein language model of ESM-2's architecture.

It needs torch, transformers and numpy alone, so that it runs on a bare machine with a GPU; MMseqs2 where a
corpus is prepared, matplotlib where the curve is drawn.
"""
