"""A Greengrass core on this machine: it runs what a synthesised template deploys, without AWS."""

import edge_functions  # noqa: F401  (makes the device's ``inference`` package importable)
