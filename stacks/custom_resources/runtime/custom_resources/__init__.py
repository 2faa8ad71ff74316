"""Custom resources of CloudFormation: a handler a module, in one asset."""
