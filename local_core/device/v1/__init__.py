"""A V1 core device."""
