"""A private bucket that outlives its stack."""

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

_DAYS_OF_UNFINISHED_UPLOADS = 7
_RETAINED = cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE


class RetainedBucket(s3.Bucket):
    """A bucket that is encrypted, versioned, closed to the public and to plain HTTP, and retained.

    It is encrypted with the key of ``kms_key_arn``, or with Amazon S3's own. Object versions that
    were overwritten or deleted expire after ``noncurrent_days``. ``without_access_log`` says why
    nobody needs a log of the requests. ``expiration_days``, if given, is how long an object is kept
    before it counts as deleted.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        kms_key_arn: str | None,
        noncurrent_days: int,
        rule_id: str,
        without_access_log: str,
        expiration_days: int | None = None,
    ) -> None:
        key = kms.Key.from_key_arn(scope, "Key", kms_key_arn) if kms_key_arn else None
        super().__init__(
            scope,
            construct_id,
            encryption=s3.BucketEncryption.KMS if key else s3.BucketEncryption.S3_MANAGED,
            encryption_key=key,
            bucket_key_enabled=True if key else None,  # one call of KMS for many objects
            enforce_ssl=True,
            minimum_tls_version=1.2,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            versioned=True,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id=rule_id,
                    noncurrent_version_expiration=cdk.Duration.days(noncurrent_days),
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(
                        _DAYS_OF_UNFINISHED_UPLOADS
                    ),
                ),
                *_expiration(expiration_days),
            ],
            removal_policy=_RETAINED,
        )
        if self.policy is not None:  # it denies plain HTTP also when the stack is gone
            self.policy.apply_removal_policy(_RETAINED)
        cdk.Validations.of(self).acknowledge(
            cdk.Acknowledgment(id="AwsSolutions-S1", reason=without_access_log)
        )


def _expiration(days: int | None) -> list[s3.LifecycleRule]:
    """Return the rules that expire objects, and the markers that expired ones leave."""
    if days is None:
        return []
    return [
        s3.LifecycleRule(id="ExpireObjects", expiration=cdk.Duration.days(days)),
        s3.LifecycleRule(id="RemoveDeleteMarkers", expired_object_delete_marker=True),
    ]
