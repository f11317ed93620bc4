"""From raw tables of measured affinities to a curated, de-duplicated, split data set."""
