"""From complexes to embedded, batched units."""
