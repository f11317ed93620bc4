"""Files in and out: FASTA, tables of complexes, tables of predictions."""
