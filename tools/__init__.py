"""From a trained model to a running core: each step of the way is one command of this package."""

import edge_functions  # noqa: F401  (makes the device's ``inference`` package importable)
