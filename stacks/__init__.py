"""The infrastructure: one construct a file; stacks only compose."""
