"""Read-outs, which predict pKd from pooled vectors instead of the head's own network."""
