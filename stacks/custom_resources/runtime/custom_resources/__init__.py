"""Custom resources of CloudFormation: one module per handler, in one asset."""
