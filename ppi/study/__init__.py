"""Studies: many configurations, seeds and splits, trained alike and compared with each other."""
