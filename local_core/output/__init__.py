"""What a user sees of a core and of a run, in a terminal."""
