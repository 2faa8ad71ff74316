"""The bucket from which cores download what they run, for as long as they may need it."""

from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.retained_bucket import RetainedBucket

_DAYS_OF_REMOVED_ARTIFACTS = 30


class ArtifactStore(Construct):
    """The stack's own copies of all artifacts, of every version of one component.

    Artifacts in the CDK's bootstrap bucket, and a model in the user's bucket, can disappear or
    change while cores still need them: `cdk gc` keeps only what a template names today. The copies
    lie below one prefix, ``<component>/``, under keys that no other content can get.

    ``kms_key_arn`` is the key that encrypts them, None for Amazon S3's own.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, component_name: str, kms_key_arn: str | None
    ) -> None:
        super().__init__(scope, construct_id)
        bucket = RetainedBucket(
            self,
            "Bucket",
            kms_key_arn=kms_key_arn,
            noncurrent_days=_DAYS_OF_REMOVED_ARTIFACTS,
            rule_id="ExpireRemovedArtifacts",
            without_access_log=(
                "Holds copies of what the CDK and the user have published elsewhere, which only "
                "the cores of this stack may read. An access log would need a second bucket for "
                "every stack; CloudTrail data events record the same where they are wanted."
            ),
        )
        self.kms_key_arn = kms_key_arn
        self.bucket_name = bucket.bucket_name
        self.bucket_arn = bucket.bucket_arn
        self.prefix = component_name
        """All copies lie below it."""
        self.objects_arn = bucket.arn_for_objects(f"{component_name}/*")
        """The pattern of the copies: every version of the component, and nothing else."""

    def uri(self, name: str) -> str:
        """Return the address of a copy, as a recipe names it."""
        return f"s3://{self.bucket_name}/{self.prefix}/{name}"

    def read_statements(self) -> list[iam.PolicyStatement]:
        """Return what a core needs to download the artifacts of any version.

        A core keeps its version until it has carried out the next deployment, and one that was
        offline for long may join with an old one. So the permission covers all of them.
        """
        statements = [
            iam.PolicyStatement(
                sid="FindArtifacts", actions=["s3:GetBucketLocation"], resources=[self.bucket_arn]
            ),
            iam.PolicyStatement(
                sid="ReadArtifacts", actions=["s3:GetObject"], resources=[self.objects_arn]
            ),
        ]
        return statements + self._with_key("DecryptArtifacts", "kms:Decrypt")

    def write_statements(self) -> list[iam.PolicyStatement]:
        """Return what the copying function needs: to see which copies exist, and to add others."""
        statements = [
            iam.PolicyStatement(
                sid="ListCopies", actions=["s3:ListBucket"], resources=[self.bucket_arn]
            ),
            iam.PolicyStatement(
                sid="WriteCopies", actions=["s3:PutObject"], resources=[self.objects_arn]
            ),
        ]
        return statements + self._with_key("EncryptCopies", "kms:Decrypt", "kms:GenerateDataKey")

    def _with_key(self, sid: str, *actions: str) -> list[iam.PolicyStatement]:
        if self.kms_key_arn is None:
            return []
        statement = iam.PolicyStatement(
            sid=sid, actions=list(actions), resources=[self.kms_key_arn]
        )
        return [statement]
