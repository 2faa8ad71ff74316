"""The infrastructure: one construct a file; stacks only compose."""

import edge_functions  # noqa: F401  (makes the device's ``inference`` package importable)
