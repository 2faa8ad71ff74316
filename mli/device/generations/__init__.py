"""What differs between Greengrass V1 and V2: files on the device, state, and deployments."""
