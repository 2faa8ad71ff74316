"""``mli compile``: from a trained model to a DLR artifact."""
