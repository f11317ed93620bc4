"""Drop and correct rows, and combine repeated measurements of one complex."""
