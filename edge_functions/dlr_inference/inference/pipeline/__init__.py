"""The loop over frames, the messages about predictions, and where they go."""
