"""``mli compile``: from a trained model to an artifact for a core."""
