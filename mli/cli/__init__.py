"""The command line itself: the group of commands, shared options, and reporting."""
