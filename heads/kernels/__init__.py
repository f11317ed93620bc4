"""Kernels over ragged segments: pooling, convolution and attention without padding.

Each comes as a plain reference and as faster backends that must agree with it; `heads.kernels.dispatch`
chooses.
"""
