"""``mli profile``: what an artifact holds, its profile, and what it predicts."""
