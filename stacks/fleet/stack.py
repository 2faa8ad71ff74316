"""A fleet of Greengrass V2 cores: everything but its cores, which come and go."""

from collections.abc import Sequence

from constructs import Construct, IDependable

from stacks import names
from stacks.context.settings import Settings
from stacks.core import iot_policies
from stacks.core.inference_stack import InferenceStack
from stacks.core.outputs import add_output
from stacks.fleet.canary import Canary
from stacks.fleet.group import FleetGroup
from stacks.fleet.protection import LiftedProtection
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
    they provision themselves with a claim certificate. So the size of the template does not depend
    on their number. The outputs have what a core needs, with
    :data:`stacks.names.CORE_PLACEHOLDER` for its name. The stack is protected from deletion until
    `mli fleet retire` has removed its cores.
    """

    def __init__(self, scope: Construct, *, settings: Settings) -> None:
        super().__init__(scope, settings=settings)
        # A deletion that the group refuses leaves a stack that AWS does not update any more.
        self.termination_protection = True
        fleet_name = self.own.thing_group
        claim_policy = names.claim_policy_name(fleet_name)
        group = FleetGroup(self, "Group", name=fleet_name, claim_policy=claim_policy)
        groups = [group]
        deployment = self.deployment_to(group.arn, *self._canary(settings, groups))
        thing_name = names.thing_name(CORE_PLACEHOLDER)
        self.add_outputs(
            CORE_PLACEHOLDER,
            thing_name=thing_name,
            identity=None,
            group_arn=group.arn,
            deployment=deployment,
        )
        policies = iot_policies.policies_of_core(
            thing_name=thing_name,
            role_alias_arn=self.credentials.alias_arn,
            topics=self.topics_of(CORE_PLACEHOLDER),
        )
        add_output(
            self,
            "CorePolicies",
            self.to_json_string(policies),
            f"Policies of the certificate of each core; {CORE_PLACEHOLDER} stands for its name",
        )
        provisioning = self._provisioning(fleet_name, group)
        provisioning.node.add_dependency(deployment)  # a core that comes finds it
        self._groups = groups
        self.keep(*(child for child in self.node.children if child.node.id in _NEEDED))

    def deploy_last(self) -> None:
        """Create the deployments last, and first what lifts the protection if all is undone."""
        super().deploy_last()
        LiftedProtection(self, "Protection").come_before(self.node.children)

    def keep(self, *needed: IDependable) -> None:
        """Let nothing of this be deleted before the fleet is known to have no cores."""
        for group in self._groups:
            group.keep(*needed)

    def _provisioning(self, fleet_name: str, group: FleetGroup) -> ProvisioningByClaim:
        """Add what lets devices with a claim certificate become cores of ``group``."""
        provisioning = ProvisioningByClaim(
            self,
            "Provisioning",
            fleet_name=fleet_name,
            group_arn=group.arn,
            policies=iot_policies.policies_of_core(
                thing_name=names.thing_name(CORE_PLACEHOLDER),
                role_alias_arn=self.credentials.alias_arn,
                # With those of feedback and live pictures in any case: the policies of a core that
                # has provisioned itself do not change any more, and the settings may.
                topics=names.published_topics(CORE_PLACEHOLDER, previews=True),
            ),
        )
        add_output(
            self,
            "ProvisioningTemplate",
            provisioning.template_name,
            "Template by which a device with a claim certificate becomes a core",
        )
        add_output(
            self, "ClaimPolicy", provisioning.claim_policy, "Policy of the claim certificates"
        )
        return provisioning

    def _canary(self, settings: Settings, groups: list[FleetGroup]) -> Sequence[IDependable]:
        """Add a canary to ``groups`` if there is one; return what the fleet has to wait for."""
        minutes = settings.rollout.canary_minutes
        if minutes is None:
            return ()
        name = names.canary_group_name(self.own.thing_group)
        canary = Canary(self, "Canary", name=name)
        first = self.deployment_to(canary.arn, prefix="Canary")
        verdict = canary.wait(
            minutes=minutes,
            content=self.component.content,
            settings_digest=settings.deployed_digest(),
        )
        verdict.node.add_dependency(first)
        canary.keep(first)
        groups.append(canary)
        add_output(self, "CanaryTarget", canary.arn, "Thing group that gets each deployment first")
        return (verdict,)
