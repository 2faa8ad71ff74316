"""One Greengrass V2 core with everything that it needs in AWS."""

from constructs import Construct

from stacks import names
from stacks.context.settings import Settings
from stacks.core import iot_policies
from stacks.core.identity import CoreIdentity
from stacks.core.inference_stack import InferenceStack
from stacks.core.thing_group import CoreGroup


class GreengrassCoreStack(InferenceStack):
    """A core's identity, its credentials, and the inference component deployed to it."""

    def __init__(self, scope: Construct, *, settings: Settings) -> None:
        super().__init__(scope, settings=settings)
        core_name = settings.core_name
        identity = CoreIdentity(
            self,
            "Core",
            core_name=core_name,
            certificate=settings.certificate,
            certificate_signing_request=settings.certificate_signing_request,
            policies=iot_policies.policies_of_core(
                thing_name=names.thing_name(core_name),
                role_alias_arn=self.credentials.alias_arn,
                topics=self.topics_of(core_name),
            ),
        )
        group = CoreGroup(self, "Group", core_name=core_name, identity=identity)
        deployment = self.deployment_to(group.arn, group.membership, *identity.attachments)
        self.add_outputs(
            core_name,
            thing_name=identity.thing_name,
            identity=identity,
            group_arn=group.arn,
            deployment=deployment,
        )
