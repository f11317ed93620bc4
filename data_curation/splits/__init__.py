"""Split complexes into parts: similarity of sequences, the published procedure and the strict one."""
