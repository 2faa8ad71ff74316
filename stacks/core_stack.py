"""One Greengrass core with everything that it needs in AWS."""

import aws_cdk as cdk
from constructs import Construct

from stacks import names
from stacks.artifacts import Artifacts
from stacks.core_identity import CoreIdentity
from stacks.deployment import CoreDeployment
from stacks.inference_component import InferenceComponent
from stacks.settings import Settings
from stacks.token_exchange import TokenExchange


class GreengrassCoreStack(cdk.Stack):
    """A core's identity, its credentials, and the inference component deployed to it."""

    def __init__(self, scope: Construct, *, settings: Settings) -> None:
        core_name = settings.core_name
        stack_name = names.stack_name(core_name)
        super().__init__(
            scope, stack_name, description=f"Image inference on the Greengrass core {core_name}"
        )
        artifacts = Artifacts(
            self, "Artifacts", model=settings.model, model_profile=settings.model_profile
        )
        credentials = TokenExchange(
            self, "TokenExchange", core_name=core_name, artifacts=artifacts.all
        )
        identity = CoreIdentity(
            self,
            "Core",
            core_name=core_name,
            certificate=settings.certificate,
            role_alias_arn=credentials.alias_arn,
            published_topics=names.published_topics(core_name),
        )
        component = InferenceComponent(
            self, "Inference", inference=settings.inference, artifacts=artifacts
        )
        deployment = CoreDeployment(
            self,
            "Deployment",
            name=stack_name,
            target_arn=identity.thing_arn,
            component=component,
        )
        # A core may act on the deployment at once: by then it must be allowed to.
        deployment.node.add_dependency(*identity.attachments)

        prediction_topic = names.published_topics(core_name)[0]
        cdk.CfnOutput(self, "PredictionTopic", value=prediction_topic)
        cdk.CfnOutput(self, "ComponentName", value=component.name)
        cdk.CfnOutput(self, "ComponentVersion", value=component.version)
        cdk.CfnOutput(self, "DeploymentTarget", value=identity.thing_arn)
