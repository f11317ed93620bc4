"""Training: settings, data, Lightning module and run."""
