"""Backbones, which compute residue embeddings."""
