"""``mli``: every step from a trained model to a running core is one of its commands."""
