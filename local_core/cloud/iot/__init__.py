"""AWS IoT: the broker, the registry, and what devices exchange with it."""
