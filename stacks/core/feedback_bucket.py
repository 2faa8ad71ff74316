"""The bucket of the samples for retraining, and the permission to write them there."""

from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks import arns
from stacks.context.settings import FeedbackSettings
from stacks.retained_bucket import RetainedBucket

_DAYS_OF_OVERWRITTEN_SAMPLES = 30
_FOLDER_OF_THE_THING = "${credentials-iot:ThingName}"


class FeedbackBucket(Construct):
    """The samples' bucket: the one that the settings name, or a new one, which outlives the stack.

    None is created if every configuration names a bucket of its own. ``kms_key_arn`` is the key
    of a new one, None for Amazon S3's own. With ``many_cores`` each core may only write below its
    thing's name, which its credentials carry.
    https://docs.aws.amazon.com/iot/latest/developerguide/authorizing-direct-aws.html
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        feedback: FeedbackSettings,
        kms_key_arn: str | None = None,
        many_cores: bool = False,
    ) -> None:
        super().__init__(scope, construct_id)
        self._many_cores = many_cores
        self._kms_key_arn = kms_key_arn
        self._created: s3.Bucket | None = None
        self.bucket_name: str | None = feedback.bucket_name
        """The bucket of the configurations that name none; None if each of them names one."""
        self.configuration = feedback.configuration
        """The configurations, each with its bucket, whose name may be a token."""
        if all(one.bucket for one in feedback.configuration.all):
            self.bucket_name = None
        elif self.bucket_name is None:
            self._created = self._create(kms_key_arn, feedback.retention_days)
            self.bucket_name = self._created.bucket_name
        if self.bucket_name is not None:
            self.configuration = feedback.configuration.with_bucket(self.bucket_name)

    def write_statements(self) -> list[iam.PolicyStatement]:
        """Return the permission to write only below the configurations' prefixes."""
        statements = [
            iam.PolicyStatement(
                sid="WriteSamples", actions=["s3:PutObject"], resources=self.object_arns()
            )
        ]
        if self._kms_key_arn is not None:
            statements.append(
                iam.PolicyStatement(
                    sid="EncryptSamples",
                    actions=["kms:GenerateDataKey"],
                    resources=[self._kms_key_arn],
                )
            )
        return statements

    def object_arns(self) -> list[str]:
        """Return the ARN pattern of each configuration's objects, each once."""
        folder = _FOLDER_OF_THE_THING if self._many_cores else ""
        patterns = (
            self._object_arn(one.bucket, "/".join(filter(None, (one.prefix, folder, "*"))))
            for one in self.configuration.all
        )
        return list(dict.fromkeys(patterns))

    def _object_arn(self, bucket: str | None, pattern: str) -> str:
        if self._created is not None and bucket == self.bucket_name:
            return self._created.arn_for_objects(pattern)
        # `${!…}` is text for CloudFormation, and a variable of IAM in the policy.
        return arns.object_arn(str(bucket), pattern.replace("${", "${!"))

    def _create(self, kms_key_arn: str | None, retention_days: int | None) -> s3.Bucket:
        # Samples are expensive to collect: deleting a core must not delete them, and only a user
        # who asks for it makes them expire. No rule moves them to another class of storage: at 60
        # samples per hour all of that saves cents, and reading them for training would cost more.
        return RetainedBucket(
            self,
            "Bucket",
            kms_key_arn=kms_key_arn,
            noncurrent_days=_DAYS_OF_OVERWRITTEN_SAMPLES,
            rule_id="ExpireOverwrittenSamples",
            expiration_days=retention_days,
            without_access_log=(
                "One writer, the core, puts objects here, and it reports each with its key "
                "over MQTT. An access log would need a second bucket for every core, which nothing "
                "reads or empties; CloudTrail data events record the same where they are wanted."
            ),
        )
