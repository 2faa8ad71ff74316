"""HTTP APIs, served from the service models that AWS publishes."""
