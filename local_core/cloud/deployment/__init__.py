"""CloudFormation: the real CDK CLI, and resource types that ministack lacks."""
