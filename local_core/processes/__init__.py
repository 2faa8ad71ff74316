"""What a process needs from this machine: children, their environments, signals, locks."""
