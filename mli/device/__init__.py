"""One core: its certificate, its set-up archive, its deployment and its state."""
