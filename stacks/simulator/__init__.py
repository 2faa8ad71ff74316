"""A Greengrass core on an EC2 instance, for users without a device."""
