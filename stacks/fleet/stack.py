"""A fleet of Greengrass V2 cores: everything but its cores, which come and go."""

from constructs import Construct

from stacks import names
from stacks.context.settings import Settings
from stacks.core import iot_policies
from stacks.core.endpoints import IotEndpoints
from stacks.core.inference_stack import InferenceStack
from stacks.core.outputs import DeploymentOutputs, add_output
from stacks.fleet.group import FleetGroup
from stacks.fleet.provisioning import ProvisioningByClaim
from stacks.names import CORE_PLACEHOLDER

_NEEDED = (
    "Deployment",
    "Endpoints",
    "Feedback",
    "Inference",
    "LastWords",
    "Provisioning",
    "Store",
    "TokenExchange",
)
"""The constructs of the stack that stay while the fleet has cores."""


class GreengrassFleetStack(InferenceStack):
    """A thing group, the credentials of its cores, and the inference component deployed to it.

    No thing belongs to the stack: `mli fleet` creates the cores and puts them into the group, or
    they provision themselves with a claim certificate. So
    the size of the template does not depend on their number. The outputs have what a core needs,
    with :data:`stacks.names.CORE_PLACEHOLDER` for its name.
    """

    def __init__(self, scope: Construct, *, settings: Settings) -> None:
        super().__init__(scope, settings=settings)
        fleet_name = self.own.thing_group
        claim_policy = names.claim_policy_name(fleet_name)
        group = FleetGroup(self, "Group", name=fleet_name, claim_policy=claim_policy)
        deployment = self.deployment_to(group.arn)
        topics = self.topics_of(CORE_PLACEHOLDER)
        thing_name = names.thing_name(CORE_PLACEHOLDER)
        DeploymentOutputs(
            self,
            thing_name=thing_name,
            prediction_topic=topics[0],
            identity=None,
            deployment_target=group.arn,
            role_alias=self.credentials.alias_name,
            deployment_id=deployment.deployment_id,
            endpoints=IotEndpoints(self, "Endpoints"),
            feedback_bucket=self.feedback_bucket,
            network=self.network,
        )
        policies = iot_policies.policies_of_core(
            thing_name=thing_name, role_alias_arn=self.credentials.alias_arn, topics=topics
        )
        add_output(
            self,
            "CorePolicies",
            self.to_json_string(policies),
            f"Policies of the certificate of each core; {CORE_PLACEHOLDER} stands for its name",
        )
        provisioning = ProvisioningByClaim(
            self,
            "Provisioning",
            fleet_name=fleet_name,
            group_arn=group.arn,
            policies=iot_policies.policies_of_core(
                thing_name=thing_name,
                role_alias_arn=self.credentials.alias_arn,
                # With those of feedback in any case: the policies of a core that has provisioned
                # itself do not change any more, and the setting may.
                topics=names.published_topics(CORE_PLACEHOLDER),
            ),
        )
        provisioning.node.add_dependency(deployment)  # a core that comes finds it
        add_output(
            self,
            "ProvisioningTemplate",
            provisioning.template_name,
            "Template by which a device with a claim certificate becomes a core",
        )
        add_output(
            self, "ClaimPolicy", provisioning.claim_policy, "Policy of the claim certificates"
        )
        group.keep(*(child for child in self.node.children if child.node.id in _NEEDED))
