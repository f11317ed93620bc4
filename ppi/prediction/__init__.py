"""From complexes to pKd: predict."""
