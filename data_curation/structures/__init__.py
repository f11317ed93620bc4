"""Read the protein chains of structure files, and apply mutations to them."""
