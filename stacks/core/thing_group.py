"""The thing group of a fleet, and the deployment to it."""

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_iot as iot
from constructs import Construct

from stacks.component.deployment import ComponentDeployment
from stacks.component.inference_component import InferenceComponent


class FleetGroup(Construct):
    """A thing group whose cores run the stack's component, by one deployment for all of them.

    ``configuration`` is that of all cores (:mod:`stacks.component.fleet_configuration`). The things
    do not belong to the stack: ``mli fleet`` creates them and adds them to the group.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        component: InferenceComponent,
        configuration: Mapping[str, object],
    ) -> None:
        super().__init__(scope, construct_id)
        group = iot.CfnThingGroup(self, "Group", thing_group_name=name)
        # Deleting the group would lose its list of cores, which no template has. A later deployment
        # can import a group that was retained.
        group.apply_removal_policy(cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)
        ComponentDeployment(
            self,
            "Deployment",
            name=name,
            target_arn=group.attr_arn,
            component=component,
            configuration=configuration,
        )
