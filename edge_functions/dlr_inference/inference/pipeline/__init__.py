"""The loop over frames, what a prediction says, and where it goes."""
