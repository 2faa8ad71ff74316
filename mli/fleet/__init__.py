"""``mli fleet``: many cores at once."""
