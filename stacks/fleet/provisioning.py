"""Cores that provision themselves: fleet provisioning by claim."""

from collections.abc import Mapping
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_iot as iot
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from stacks import names
from stacks.arns import regional_arn
from stacks.core.iot_policies import allow, document
from stacks.custom_resources.function import RuntimeFunction
from stacks.fleet.provisioning_template import template_body
from stacks.nag_acknowledgments import acknowledge_wildcards

_HOOK_SECONDS = 5
"""How long AWS IoT waits for a hook."""
_HOOK_MEGABYTES = 512
"""With Lambda's 128 MB, the import of boto3 alone could take longer."""

RANDOM_CLIENT_ID = "????????-????-????-????-????????????"
"""The shape of a UUID, under which both nuclei connect with a claim certificate."""

_THINGS = names.thing_name("*")
_ONE_CORE = "A device chooses the name of its core, which the hook checks; all are things of cores."
_HASHES = "AWS IoT names a certificate and an inline policy by a hash when it creates them."


class ProvisioningHook(RuntimeFunction):
    """The function that AWS IoT asks before it creates a core for the holder of a claim."""

    def __init__(self, scope: Construct, construct_id: str, *, template_arn: str) -> None:
        super().__init__(
            scope,
            construct_id,
            module="claim_hook",
            description="Whether a device with a claim certificate becomes a core",
            role_description="Hook of fleet provisioning: looks whether a thing exists",
            timeout=cdk.Duration.seconds(_HOOK_SECONDS),
            memory_size=_HOOK_MEGABYTES,
        )
        things = regional_arn("iot", f"thing/{_THINGS}")
        policy = iam.Policy(
            self,
            "Policy",
            roles=[self.role],
            statements=[
                iam.PolicyStatement(
                    sid="FindThing", actions=["iot:DescribeThing"], resources=[things]
                )
            ],
        )
        acknowledge_wildcards(policy, [things], _ONE_CORE)
        self.arn = self.function.function_arn
        permission = lambda_.CfnPermission(
            self,
            "Permission",
            action="lambda:InvokeFunction",
            function_name=self.arn,
            principal="iot.amazonaws.com",
            source_account=cdk.Aws.ACCOUNT_ID,
            source_arn=template_arn,
        )
        self.needed = (permission, policy)
        """AWS IoT checks that it may invoke the hook when a template names it."""


class ProvisioningByClaim(Construct):
    """A provisioning template with its role and its hook, and the policy of claim certificates.

    ``policies`` are those of a core, with :data:`stacks.names.CORE_PLACEHOLDER` for its name.
    https://docs.aws.amazon.com/iot/latest/developerguide/provision-wo-cert.html
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        fleet_name: str,
        group_arn: str,
        policies: Mapping[str, Mapping[str, Any]],
    ) -> None:
        super().__init__(scope, construct_id)
        self.template_name = names.provisioning_template_name(fleet_name)
        template_arn = regional_arn("iot", f"provisioningtemplate/{self.template_name}")
        hook = ProvisioningHook(self, "Hook", template_arn=template_arn)
        template = iot.CfnProvisioningTemplate(
            self,
            "Template",
            template_name=self.template_name,
            template_type="FLEET_PROVISIONING",
            description=f"Cores of the Greengrass fleet {fleet_name}",
            enabled=True,
            provisioning_role_arn=self._role(group_arn).role_arn,
            template_body=template_body(
                cdk.Stack.of(self), group_name=fleet_name, policies=policies
            ),
            pre_provisioning_hook=iot.CfnProvisioningTemplate.ProvisioningHookProperty(
                target_arn=hook.arn, payload_version="2020-04-01"
            ),
        )
        template.node.add_dependency(*hook.needed)
        policy = iot.CfnPolicy(
            self,
            "ClaimPolicy",
            policy_name=names.claim_policy_name(fleet_name),
            policy_document=claim_policy(self.template_name),
        )
        self.claim_policy = policy.ref

    def _role(self, group_arn: str) -> iam.Role:
        """Return the role with which AWS IoT creates a core, and cannot change an existing one."""
        things = regional_arn("iot", f"thing/{_THINGS}")
        certificates = regional_arn("iot", "cert/*")
        policies = regional_arn("iot", "policy/*")
        statements = [
            iam.PolicyStatement(sid="CreateThing", actions=["iot:CreateThing"], resources=[things]),
            iam.PolicyStatement(
                sid="JoinFleet",
                actions=["iot:AddThingToThingGroup"],
                resources=[things, group_arn],
            ),
            iam.PolicyStatement(
                sid="CreatePolicies", actions=["iot:CreatePolicy"], resources=[policies]
            ),
            iam.PolicyStatement(
                sid="AttachCertificate",
                actions=[
                    "iot:AttachPolicy",
                    "iot:AttachPrincipalPolicy",
                    "iot:AttachThingPrincipal",
                    "iot:UpdateCertificate",
                ],
                resources=[certificates, things],
            ),
            iam.PolicyStatement(
                sid="ReadRegistry",
                actions=[
                    "iot:DescribeCertificate",
                    "iot:DescribeThing",
                    "iot:DescribeThingGroup",
                    "iot:GetPolicy",
                    "iot:ListPrincipalThings",
                    "iot:ListTargetsForPolicy",
                    "iot:ListThingGroupsForThing",
                    "iot:ListThingPrincipals",
                ],
                resources=[certificates, things, group_arn, policies],
            ),
            iam.PolicyStatement(
                sid="ListPolicies",
                actions=[
                    "iot:ListAttachedPolicies",
                    "iot:ListPolicyPrincipals",
                    "iot:ListPrincipalPolicies",
                ],
                resources=["*"],
            ),
        ]
        role = iam.Role(
            self,
            "Role",
            description="What AWS IoT does for a device with a claim certificate",
            assumed_by=iam.ServicePrincipal("iot.amazonaws.com"),
            inline_policies={"Provisioning": iam.PolicyDocument(statements=statements)},
        )
        acknowledge_wildcards(role, [things], _ONE_CORE)
        acknowledge_wildcards(role, [certificates, policies], _HASHES)
        acknowledge_wildcards(role, ["*"], "These lists of policies take no resource.")
        return role


def claim_policy(template_name: str) -> dict[str, Any]:
    """Return what the holder of a claim may do: ask for a certificate, and become a core with it.

    Only for a key of its own, by a signing request: no key is sent. Client ids have the shape of
    those that the nuclei choose, so that a claim cannot take a core's connection.
    """
    requests = [
        "$aws/certificates/create-from-csr/json",
        f"$aws/provisioning-templates/{template_name}/provision/json",
    ]
    replies = [f"{topic}/{verdict}" for topic in requests for verdict in ("accepted", "rejected")]
    return document(
        allow(["iot:Connect"], [regional_arn("iot", f"client/{RANDOM_CLIENT_ID}")]),
        allow(["iot:Publish"], [regional_arn("iot", f"topic/{topic}") for topic in requests]),
        allow(["iot:Receive"], [regional_arn("iot", f"topic/{topic}") for topic in replies]),
        allow(
            ["iot:Subscribe"], [regional_arn("iot", f"topicfilter/{topic}") for topic in replies]
        ),
    )
