"""Poolings: the rows of a segment become one vector."""
