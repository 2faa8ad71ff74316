"""Cameras, streams and videos, each captured on a thread of its own."""
