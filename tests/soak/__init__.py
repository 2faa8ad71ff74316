"""The component for a long time, with one fault after the other: ``make soak``."""
