"""Who a core is: its thing, its certificate, and what that certificate may do."""

from collections.abc import Sequence
from typing import Any

from aws_cdk import aws_iot as iot
from constructs import Construct, IDependable

from stacks import names
from stacks.arns import regional_arn

_CORE_TOPICS = ("greengrass/health/json", "greengrassv2/health/json", "jobs/*", "shadow/*")


class CoreIdentity(Construct):
    """The core's thing and policies, attached to a certificate that exists already."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        core_name: str,
        certificate: str,
        role_alias_arn: str,
        published_topics: Sequence[str],
    ) -> None:
        super().__init__(scope, construct_id)
        if not certificate.startswith("arn:"):
            certificate = regional_arn("iot", f"cert/{certificate}")
        thing_name = names.thing_name(core_name)
        thing = iot.CfnThing(self, "Thing", thing_name=thing_name)
        attachments: list[IDependable] = [
            iot.CfnThingPrincipalAttachment(
                self, "ThingAttachment", thing_name=thing.ref, principal=certificate
            )
        ]
        # Two policies, because one with a long core name would exceed the 2,048 characters of each.
        documents = {
            "CorePolicy": core_policy(thing_name=thing_name, role_alias_arn=role_alias_arn),
            "PublishPolicy": publish_policy(published_topics),
        }
        for kind, document in documents.items():
            policy = iot.CfnPolicy(
                self, kind, policy_name=f"{core_name}_{kind}", policy_document=document
            )
            attachment = iot.CfnPolicyPrincipalAttachment(
                self, f"{kind}Attachment", policy_name=policy.ref, principal=certificate
            )
            attachments.append(attachment)
        self.thing_arn = thing.attr_arn
        self.attachments = attachments


def core_policy(*, thing_name: str, role_alias_arn: str) -> dict[str, Any]:
    """Return AWS's minimal policy of a V2 core.

    https://docs.aws.amazon.com/greengrass/v2/developerguide/device-auth.html
    """
    # A core opens several connections and named shadows, each under its name and a suffix.
    topics = [f"$aws/things/{thing_name}*/{topic}" for topic in _CORE_TOPICS]
    filters = [topic for topic in topics if topic.endswith("/*")]
    return _document(
        _allow(["iot:Connect"], [regional_arn("iot", f"client/{thing_name}*")]),
        _allow(["iot:Publish", "iot:Receive"], [regional_arn("iot", f"topic/{t}") for t in topics]),
        _allow(["iot:Subscribe"], [regional_arn("iot", f"topicfilter/{t}") for t in filters]),
        _allow(["iot:AssumeRoleWithCertificate"], [role_alias_arn]),
        _allow(
            [
                "greengrass:GetComponentVersionArtifact",
                "greengrass:GetDeploymentConfiguration",
                "greengrass:ListThingGroupsForCoreDevice",
                "greengrass:ResolveComponentCandidates",
            ],
            # The data plane resolves whatever a deployment names: AWS gives no narrower resource.
            ["*"],
        ),
    )


def publish_policy(topics: Sequence[str]) -> dict[str, Any]:
    """Return leave to publish on exactly these ``topics``."""
    return _document(
        _allow(["iot:Publish"], [regional_arn("iot", f"topic/{topic}") for topic in topics])
    )


def _document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _allow(actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources}
