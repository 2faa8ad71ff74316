"""The component that runs inference on a core."""

import aws_cdk as cdk
from aws_cdk import aws_greengrassv2 as greengrassv2
from constructs import Construct

from inference import settings as device
from stacks import names
from stacks.artifacts import Artifacts
from stacks.recipe import ComponentContent, access_control


class InferenceComponent(Construct):
    """One version of the component, named and numbered by its content.

    A version outlives its stack, because devices that name it break when it goes. Only one that a
    failed operation has just made is deleted, so that the next attempt can make it again.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        inference: device.InferenceSettings,
        artifacts: Artifacts,
    ) -> None:
        super().__init__(scope, construct_id)
        name = names.component_name(inference.core_name)
        topics = names.published_topics(inference.core_name)
        self.content = ComponentContent(
            name=name,
            code=artifacts.code,
            model=artifacts.model,
            artifacts=artifacts.all,
            profile=artifacts.profile,
            configuration={
                **inference.to_configuration(),
                "accessControl": access_control(name, topics),
            },
        )
        version = greengrassv2.CfnComponentVersion(
            self,
            "Version",
            inline_recipe=cdk.Stack.of(self).to_json_string(self.content.recipe),
        )
        version.apply_removal_policy(cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)
        self.name = version.attr_component_name
        self.version = version.attr_component_version
