"""A model on disk: unpacked, checked, and watched while it is used."""
