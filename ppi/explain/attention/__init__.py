"""Diagnostics of attention: what the heads of a language model or of a mixer attend, and which of them
matter.
"""
