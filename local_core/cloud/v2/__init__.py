"""The Greengrass V2 API."""
