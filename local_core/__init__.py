"""A Greengrass core on this machine: it runs what a synthesised template deploys, without AWS."""
