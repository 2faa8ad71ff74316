"""A V2 core device."""
