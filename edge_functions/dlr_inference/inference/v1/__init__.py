"""The long-lived function of Greengrass V1."""
