"""The component that runs inference on a core."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_greengrassv2 as greengrassv2
from constructs import Construct

from stacks.component.access_control import access_control
from stacks.component.artifact_copies import ArtifactCopies
from stacks.component.artifact_store import ArtifactStore
from stacks.component.artifacts import Artifacts
from stacks.component.recipe import ComponentContent
from stacks.component.revision import ComponentRevision
from stacks.names import StackNames


class InferenceComponent(Construct):
    """One version of the component, named and numbered by its content.

    A version outlives its stack, because devices that use it break when it is deleted. Only a
    version that a failed operation has just created is deleted, so that the next attempt can create
    it again.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        own: StackNames,
        topics: Sequence[str],
        local_topic: str | None,
        artifacts: Artifacts,
        store: ArtifactStore,
    ) -> None:
        super().__init__(scope, construct_id)
        self.content = ComponentContent(
            name=own.component,
            code=artifacts.code,
            model=artifacts.model,
            artifacts=artifacts.all,
            profile=artifacts.profile,
            runtime=artifacts.runtime,
            # The deployment resets to these, and repeats no permission: see job_document.
            configuration={
                "coreName": own.core,
                "accessControl": access_control(own.component, topics, local_topic),
            },
        )
        copies = ArtifactCopies(self, "Copies", store=store, content=self.content)
        revision = ComponentRevision(
            self, "Revision", component_name=own.component, content_version=copies.content_version
        )
        recipe = self.content.recipe(f"{copies.content_version}.{revision.number}", copies.uris)
        version = greengrassv2.CfnComponentVersion(
            self, "Version", inline_recipe=cdk.Stack.of(self).to_json_string(recipe)
        )
        version.apply_removal_policy(cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)
        self.name = version.attr_component_name
        self.version = version.attr_component_version
