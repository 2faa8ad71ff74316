"""Demo models: packed in the repository, unpacked on first use into plain DLR artifacts."""
