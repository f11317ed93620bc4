"""Read the raw data: tables of measured affinities, and the sequences of their rows."""
