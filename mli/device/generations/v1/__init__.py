"""Greengrass V1: all that the commands need for it and for nothing else."""
