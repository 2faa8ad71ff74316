"""A Greengrass core on an EC2 instance, for those without a board at hand."""
