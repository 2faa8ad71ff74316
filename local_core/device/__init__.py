"""A core device: its set-up as on real hardware, its ways to the cloud, and its agents."""
