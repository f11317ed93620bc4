"""Backbones: what turns residues into embeddings."""
