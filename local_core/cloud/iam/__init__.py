"""IAM: which calls the policies allow, and a log of these decisions."""
