"""Poolings, which reduce the rows of a segment to one vector."""
