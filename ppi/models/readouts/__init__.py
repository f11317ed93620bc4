"""Read-outs: from what a head pools to pKd, other than by the head's own network."""
