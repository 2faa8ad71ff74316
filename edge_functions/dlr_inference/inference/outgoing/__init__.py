"""Messages to the broker, and what the core reports about itself."""
