"""Measurements of inference on a core, each a ratio against the bare runtime in the same run."""
