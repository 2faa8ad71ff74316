"""Removes cores, fleets, and versions of components."""
