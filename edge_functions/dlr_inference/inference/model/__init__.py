"""A model: its artifact on disk, its profile, and the runtime that runs it."""
