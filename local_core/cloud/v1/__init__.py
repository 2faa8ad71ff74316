"""The Greengrass V1 API."""
