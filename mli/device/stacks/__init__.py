"""The deployed stacks of cores and fleets, found by name or thing, and their outputs."""
