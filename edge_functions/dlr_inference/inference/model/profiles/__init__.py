"""A model described by data: its input, its outputs, and its classes."""
