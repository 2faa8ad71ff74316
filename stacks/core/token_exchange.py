"""The AWS credentials that a core gets with its certificate."""

from aws_cdk import aws_iam as iam
from aws_cdk import aws_iot as iot
from constructs import Construct

from stacks import arns
from stacks.component.artifact_store import ArtifactStore
from stacks.core.feedback_bucket import FeedbackBucket
from stacks.nag_acknowledgments import acknowledge_wildcards
from stacks.names import StackNames

_LOG_GROUPS = "log-group:/aws/greengrass/*"


class TokenExchange(Construct):
    """The token exchange role and its alias: logs, the component's artifacts, samples.

    The cores of a fleet share them; the role then lets each write its own samples only.

    https://docs.aws.amazon.com/greengrass/v2/developerguide/device-service-role.html
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        own: StackNames,
        store: ArtifactStore,
        feedback: FeedbackBucket | None,
    ) -> None:
        super().__init__(scope, construct_id)
        log_groups = arns.regional_arn("logs", _LOG_GROUPS)
        statements = [
            iam.PolicyStatement(
                sid="WriteLogs",
                actions=[
                    "logs:CreateLogGroup",
                    "logs:CreateLogStream",
                    "logs:DescribeLogStreams",
                    "logs:PutLogEvents",
                ],
                resources=[log_groups],
            ),
            *store.read_statements(),
        ]
        if feedback is not None:
            statements += feedback.write_statements()
        role = iam.Role(
            self,
            "Role",
            description=f"What the {own.owner} may do in AWS",
            assumed_by=iam.ServicePrincipal("credentials.iot.amazonaws.com"),
            inline_policies={"Core": iam.PolicyDocument(statements=statements)},
        )
        alias = iot.CfnRoleAlias(self, "Alias", role_alias=own.role_alias, role_arn=role.role_arn)
        acknowledge_wildcards(
            role,
            [log_groups],
            "A core names a log group after each component that it runs, the nucleus's own "
            "included, and a log stream after the day; all lie under /aws/greengrass.",
        )
        acknowledge_wildcards(
            role,
            [store.objects_arn],
            "Every version of the component that a core may run; all lie under its prefix, where "
            "nothing else is.",
        )
        if feedback is not None:
            acknowledge_wildcards(
                role,
                feedback.object_arns(),
                "A sample's key ends in a UUID of its own; all lie under its configuration's "
                "prefix.",
            )
        self.role = role
        self.alias_name = alias.ref
        self.alias_arn = alias.attr_role_alias_arn
