"""Effects of mutations on binding: where they lie, what they change, and by how much (ddG)."""
