"""What devices need to provision themselves."""
