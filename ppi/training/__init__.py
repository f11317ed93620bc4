"""Training: settings, data, Lightning module, and the run."""
