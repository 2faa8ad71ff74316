"""Image processing: from a frame to a tensor, and from outputs to predictions."""
