"""The component for a long time, with one fault after the other: ``make soak``."""

import edge_functions  # noqa: F401  (makes the device's ``inference`` package importable)
