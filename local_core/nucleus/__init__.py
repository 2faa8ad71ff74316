"""What a Greengrass V2 nucleus does with a deployment: artifacts, configuration, lifecycle."""
