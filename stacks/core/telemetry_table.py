"""Where the newest telemetry of each core is kept, so that a silent core can be found."""

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_iot as iot
from constructs import Construct

from inference import names as device_names
from stacks import names
from stacks.iot_rules import sql as rule_sql
from stacks.names import StackNames

_FIELDS = (
    "topic(3) AS core",
    # The cloud's clock: that of a device may be wrong, and a message may have waited there.
    "timestamp() AS received",
    "timestamp",
    "intervalSeconds",
    "component",
    "versions.component AS version",
    "versions.nucleus AS nucleus",
    "health.status AS health",
    "health.faults AS faults",
    "frames.perSecond AS perSecond",
    "latencyMs.inference AS inferenceMs",
    "publish.queued AS queued",
    "publish.dropped AS dropped",
    "sources",
    "model.name AS model",
    "configuration",
)
"""What is kept of a message: what the commands show, because DynamoDB bills writes by size."""


class TelemetryTable(Construct):
    """A table with the newest telemetry of each core, and the rule of AWS IoT that fills it.

    The cloud keeps it, because a retained message would need the device, and nucleus lite ignores
    the flag. Each message replaces its core's item, also one that was sent before the last one and
    arrives after it.

    Items do not expire: a core that fell silent long ago must still be shown with its age. The
    table is deleted with its stack; the next telemetry of each core fills a new one.
    """

    def __init__(self, scope: Construct, construct_id: str, *, own: StackNames) -> None:
        super().__init__(scope, construct_id)
        table = dynamodb.Table(
            self,
            "Table",
            partition_key=dynamodb.Attribute(name="core", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        cdk.Validations.of(table).acknowledge(
            cdk.Acknowledgment(
                id="AwsSolutions-DDB3",
                reason="Nothing here is worth a backup: a core replaces its item every minute.",
            )
        )
        name = names.rule_name(own.stack)
        role = iam.Role(
            self,
            "Role",
            description=f"Keeps the newest telemetry of the {own.owner}",
            assumed_by=rule_sql.trust(name),
            inline_policies={
                "Table": iam.PolicyDocument(
                    statements=[
                        iam.PolicyStatement(
                            sid="KeepTelemetry",
                            actions=["dynamodb:PutItem"],
                            resources=[table.table_arn],
                        )
                    ]
                )
            },
        )
        put = iot.CfnTopicRule.DynamoDBv2ActionProperty(
            put_item=iot.CfnTopicRule.PutItemInputProperty(table_name=table.table_name),
            role_arn=role.role_arn,
        )
        iot.CfnTopicRule(
            self,
            "Rule",
            rule_name=name,
            topic_rule_payload=iot.CfnTopicRule.TopicRulePayloadProperty(
                description=f"Newest telemetry of the {own.owner}",
                sql=sql(own),
                aws_iot_sql_version=rule_sql.VERSION,
                actions=[iot.CfnTopicRule.ActionProperty(dynamo_d_bv2=put)],
            ),
        )
        self.table_name = table.table_name
        self.table_arn = table.table_arn
        self.rule_name = name


def sql(own: StackNames) -> str:
    """Return the rule's statement: telemetry of this core, or of the cores of this fleet.

    Readers ask the thing group whose cores are members of the fleet.
    """
    return f"SELECT {', '.join(_FIELDS)} {rule_sql.source(device_names.telemetry_topic, own)}"
