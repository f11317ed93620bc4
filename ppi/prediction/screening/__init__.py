"""Many ligands against many receptors: what belongs to one side is computed once."""
