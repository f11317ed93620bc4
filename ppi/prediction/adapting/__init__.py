"""A model of one complex, adapted to its measured variants."""
