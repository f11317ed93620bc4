"""Neural modules that turn the residue embeddings of a complex into one number. Only torch is needed."""
