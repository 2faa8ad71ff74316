"""The Greengrass V2 component: its parts, its configuration, and its end."""
