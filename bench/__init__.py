"""Benchmarks of inference on a core, each a ratio to the bare runtime in the same run."""
