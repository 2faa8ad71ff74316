"""ARNs of this stack's partition, Region and account, written so that a template stays readable."""

import aws_cdk as cdk


def regional_arn(service: str, resource: str) -> str:
    """Return the ARN of ``resource`` (such as ``topic/a``) in the stack's Region and account."""
    return cdk.Fn.sub(
        f"arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}:{resource}"
    )


def bucket_arn(bucket: str) -> str:
    """Return the ARN of a bucket."""
    return cdk.Fn.sub(f"arn:${{AWS::Partition}}:s3:::{bucket}")


def object_arn(bucket: str, key: str) -> str:
    """Return the ARN of an object."""
    return cdk.Fn.sub(f"arn:${{AWS::Partition}}:s3:::{bucket}/{key}")
