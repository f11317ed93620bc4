"""Which residues carry a prediction, and whether that can be trusted."""
