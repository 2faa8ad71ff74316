"""A fleet: what many Greengrass V2 cores share, without the cores themselves."""
