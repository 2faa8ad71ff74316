"""Names that the Greengrass Core SDK expects of the core it runs on."""
