"""Kernels over ragged segments: pooling, convolution and attention without padding.

Each kernel has a plain reference implementation and faster backends that must agree with it;
`heads.kernels.dispatch` chooses between them.
"""
