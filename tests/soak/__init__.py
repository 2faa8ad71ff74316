"""A long run of the component with one fault after the other: ``make soak``."""
