"""Images and numbers: from a frame to a tensor, and from outputs to predictions."""
