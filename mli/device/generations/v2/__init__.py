"""Greengrass V2: a thing with components, and the deployments to it."""
