"""Scan the mutations of a complex: which, how much each changes binding, and how that is shown."""
