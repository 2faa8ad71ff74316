"""A core device: its set-up as on real hardware, its connections to the cloud, its agents."""
