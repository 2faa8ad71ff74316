"""What is known about the cores of a fleet."""
