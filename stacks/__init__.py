"""The infrastructure: one construct per file; stacks only compose."""
