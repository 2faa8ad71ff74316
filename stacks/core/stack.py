"""One Greengrass V2 core with everything that it needs in AWS."""

import dataclasses

import aws_cdk as cdk
from constructs import Construct

from stacks import names
from stacks.component import job_document
from stacks.component.artifact_store import ArtifactStore
from stacks.component.artifacts import Artifacts
from stacks.component.deployment import ComponentDeployment
from stacks.component.fleet_configuration import for_all_cores
from stacks.component.inference_component import InferenceComponent
from stacks.context.settings import Settings
from stacks.core import iot_policies
from stacks.core.endpoints import IotEndpoints
from stacks.core.feedback_bucket import FeedbackBucket
from stacks.core.identity import CoreIdentity
from stacks.core.outputs import CoreOutputs
from stacks.core.thing_group import CoreGroup, FleetGroup
from stacks.core.token_exchange import TokenExchange


class GreengrassCoreStack(cdk.Stack):
    """A core's identity, its credentials, and the inference component deployed to it."""

    def __init__(self, scope: Construct, *, settings: Settings) -> None:
        job_document.check(settings)
        core_name = settings.core_name
        stack_name = names.stack_name(core_name)
        super().__init__(
            scope, stack_name, description=f"Image inference on the Greengrass core {core_name}"
        )
        artifacts = Artifacts(self, "Artifacts", settings=settings)
        store = ArtifactStore(
            self,
            "Store",
            component_name=names.component_name(core_name),
            kms_key_arn=settings.kms_key_arn,
        )
        feedback = None
        if settings.feedback is not None:
            feedback = FeedbackBucket(
                self, "Feedback", feedback=settings.feedback, kms_key_arn=settings.kms_key_arn
            )
        credentials = TokenExchange(
            self,
            "TokenExchange",
            core_name=core_name,
            store=store,
            feedback=feedback,
        )
        topics = names.published_topics(core_name, feedback=feedback is not None)
        identity = CoreIdentity(
            self,
            "Core",
            core_name=core_name,
            certificate=settings.certificate,
            certificate_signing_request=settings.certificate_signing_request,
            policies={
                "CorePolicy": iot_policies.core_policy(
                    thing_name=names.thing_name(core_name), role_alias_arn=credentials.alias_arn
                ),
                "PublishPolicy": iot_policies.publish_policy(topics),
            },
        )
        component = InferenceComponent(
            self, "Inference", core_name=core_name, topics=topics, artifacts=artifacts, store=store
        )
        # Only now are the names of the buckets known.
        inference = dataclasses.replace(
            settings.inference, feedback=feedback.configuration if feedback else None
        )
        configuration = inference.to_configuration(with_defaults=False)
        group = CoreGroup(self, "Group", core_name=core_name, identity=identity)
        deployment = ComponentDeployment(
            self,
            "Deployment",
            name=stack_name,
            target_arn=group.arn,
            component=component,
            configuration=configuration,
        )
        # A core may act on the deployment at once, so it needs its permissions before.
        deployment.node.add_dependency(group.membership, credentials.role, *identity.attachments)
        if settings.thing_group_name is not None:
            fleet = FleetGroup(
                self,
                "Fleet",
                name=settings.thing_group_name,
                component=component,
                configuration=for_all_cores(configuration, core_name),
            )
            fleet.node.add_dependency(credentials.role)
        CoreOutputs(
            self,
            prediction_topic=topics[0],
            identity=identity,
            deployment_target=group.arn,
            role_alias=credentials.alias_name,
            deployment_id=deployment.deployment_id,
            endpoints=IotEndpoints(self, "Endpoints"),
            feedback_bucket=feedback.bucket_name if feedback else None,
        )
