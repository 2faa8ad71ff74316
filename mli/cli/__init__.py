"""The command line itself: the group of commands, and how they report."""
