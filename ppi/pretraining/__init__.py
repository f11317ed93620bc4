"""Pretraining of a small protein language model of ESM-2's architecture.

It only needs torch, transformers and numpy, so that it runs on a bare machine with a GPU. Preparing a corpus
also needs MMseqs2, and drawing the curve matplotlib.
"""
