"""The Greengrass V2 component: its artifacts, recipe, version and deployment."""
