"""Deployments to cores that exist: repeated, followed, and with changed settings."""
