"""Where alarms go: an encrypted topic with one address."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from stacks.arns import regional_arn

_SERVICE = "cloudwatch.amazonaws.com"
_STACK_TAG = "mli:stack"


class AlarmTopic(Construct):
    """A topic of Amazon SNS that only alarms of this account publish on, only over TLS.

    It has a key of its own: CloudWatch may not use the key that AWS manages for SNS, and whether it
    may use a key that somebody gives is in that key's policy.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html
    """

    def __init__(self, scope: Construct, construct_id: str, *, owner: str, address: str) -> None:
        super().__init__(scope, construct_id)
        of_this_account = {"StringEquals": {"aws:SourceAccount": cdk.Aws.ACCOUNT_ID}}
        service = iam.ServicePrincipal(_SERVICE)
        key = kms.Key(
            self,
            "Key",
            description=f"Alarms of the {owner}",
            enable_key_rotation=True,
            pending_window=cdk.Duration.days(7),
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        # By it the deployer may delete this key and no other: CloudFormation's own tags, which AWS
        # KMS does not support, would be missing.
        cdk.Tags.of(key).add(_STACK_TAG, cdk.Stack.of(self).stack_name)
        key.add_to_resource_policy(
            iam.PolicyStatement(
                sid="Alarms",
                actions=["kms:Decrypt", "kms:GenerateDataKey*"],
                principals=[service],
                resources=["*"],
                conditions=of_this_account,
            )
        )
        self.topic = sns.Topic(
            self, "Topic", display_name="Greengrass alarms", master_key=key, enforce_ssl=True
        )
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="Alarms",
                actions=["sns:Publish"],
                principals=[service],
                resources=[self.topic.topic_arn],
                conditions={
                    **of_this_account,
                    "ArnLike": {"aws:SourceArn": regional_arn("cloudwatch", "alarm:*")},
                },
            )
        )
        self.topic.add_subscription(subscriptions.EmailSubscription(address))
