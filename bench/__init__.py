"""Measurements of inference on a core, each a ratio against the bare runtime in the same run."""

import edge_functions  # noqa: F401  (makes the device's ``inference`` package importable)
