"""One Greengrass V2 core with everything that it needs in AWS."""
