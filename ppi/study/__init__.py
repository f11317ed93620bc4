"""Studies: many configurations, seeds and splits, trained in the same way and compared with each other."""
