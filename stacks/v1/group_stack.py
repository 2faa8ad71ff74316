"""One core of the first generation with everything that it needs in AWS."""

import dataclasses
from collections.abc import Sequence

import aws_cdk as cdk
from constructs import Construct

from inference.v1.environment import FunctionEnvironment, served_by_service
from stacks import names
from stacks.context.model_source import TrainingJob
from stacks.context.settings import Settings
from stacks.core.endpoints import IotEndpoints
from stacks.core.feedback_bucket import FeedbackBucket
from stacks.core.identity import CoreIdentity
from stacks.core.iot_policies import publish_policy
from stacks.v1.connector_definition import Connector, ConnectorDefinition
from stacks.v1.core_definition import CoreDefinition
from stacks.v1.core_policy import broker_policy, greengrass_policy
from stacks.v1.deployments_reset import DeploymentsReset
from stacks.v1.feedback_connector import feedback_connector
from stacks.v1.function_definition import FunctionDefinition
from stacks.v1.group import Group
from stacks.v1.group_outputs import add_group_outputs
from stacks.v1.group_role import GroupRole
from stacks.v1.group_version import DefinitionVersions, GroupVersion
from stacks.v1.image_classification import image_classification_connector
from stacks.v1.inference_function import InferenceFunction, profile_on_core
from stacks.v1.limits import check_environment
from stacks.v1.logger_definition import LoggerDefinition
from stacks.v1.model_archive import ModelArchive
from stacks.v1.resource_definition import DESTINATION_PATH, MODEL_RESOURCE_ID, ResourceDefinition
from stacks.v1.subscription_definition import Subscription, SubscriptionDefinition

SHUTDOWN_NOTICE = (
    "AWS shut Greengrass V1 down on 7 October 2026: this template synthesises, and deploys to a "
    "local cloud, but no longer to AWS; leave greengrassVersion out for V2 (docs/v1.md)"
)


class GreengrassGroupStack(cdk.Stack):
    """A core's identity, and a group that runs the inference function on it.

    The stack does not deploy the group: one of its outputs is the command that does.
    """

    def __init__(self, scope: Construct, *, settings: Settings) -> None:
        core_name = settings.core_name
        thing_name = names.thing_name(core_name)
        topics = names.published_topics(core_name, feedback=settings.feedback is not None)
        environment = FunctionEnvironment(
            settings.inference, DESTINATION_PATH, profile_on_core(settings.model_profile)
        )
        check_environment(environment)
        super().__init__(
            scope,
            names.stack_name(core_name),
            description=f"Image inference on the Greengrass V1 core {core_name}",
        )
        self._warn_of_shutdown()
        function = InferenceFunction(
            self, "Inference", core_name=core_name, model_profile=settings.model_profile
        )
        samples, feedback = self._feedback(settings)
        job = settings.model if isinstance(settings.model, TrainingJob) else None
        estimator = _estimator(settings, job) if job else None
        connectors = [one for one in (feedback, estimator) if one]
        role = GroupRole(
            self,
            "GroupRole",
            core_name=core_name,
            function_name=function.name,
            samples=samples,
            connectors=connectors,
            training_job=job,
        )
        group = Group(self, "Group", core_name=core_name, role_arn=role.arn)
        identity = CoreIdentity(
            self,
            "Core",
            core_name=core_name,
            certificate=settings.certificate,
            certificate_signing_request=settings.certificate_signing_request,
            policies={
                "CorePolicy": broker_policy(thing_name=thing_name),
                "GreengrassPolicy": greengrass_policy(thing_name=thing_name, group_id=group.id),
                "PublishPolicy": publish_policy(topics),
            },
        )
        environment = dataclasses.replace(
            environment,
            connector=feedback.function_arn if feedback else None,
            service=estimator.function_arn if estimator else None,
        )
        functions = FunctionDefinition(
            self,
            "Functions",
            core_name=core_name,
            function_arn=function.alias_arn,
            variables=environment.to_variables(),
            resource_ids=[] if estimator else [MODEL_RESOURCE_ID],
        )
        subscriptions = _subscriptions(topics, function, feedback)
        version = GroupVersion(
            self,
            "GroupVersion",
            group_id=group.id,
            versions=self._definitions(settings, identity, functions, connectors, subscriptions),
        )
        reset = DeploymentsReset(self, "DeploymentsReset", group_id=group.id)
        # Deleted after the reset: nothing of a group is deleted while a core still has to run it.
        reset.resource.node.add_dependency(version, *identity.attachments)
        add_group_outputs(
            self,
            prediction_topic=topics[0],
            identity=identity,
            group_id=group.id,
            version_id=version.id,
            endpoints=IotEndpoints(self, "Endpoints"),
            feedback_bucket=samples.bucket_name if samples else None,
        )

    def _definitions(
        self,
        settings: Settings,
        identity: CoreIdentity,
        functions: FunctionDefinition,
        connectors: Sequence[Connector],
        subscriptions: Sequence[Subscription],
    ) -> DefinitionVersions:
        """Return all definitions of the group's version."""
        name = settings.core_name
        core = CoreDefinition(
            self,
            "Cores",
            core_name=name,
            thing_arn=identity.thing_arn,
            certificate_arn=identity.certificate_arn,
        )
        model = ModelArchive(self, "Model", model=settings.model)
        connector_definition = (
            ConnectorDefinition(self, "Connectors", core_name=name, connectors=connectors)
            if connectors
            else None
        )
        return DefinitionVersions(
            core=core.version_arn,
            function=functions.version_arn,
            resource=ResourceDefinition(
                self, "Resources", core_name=name, model=model.source
            ).version_arn,
            subscription=SubscriptionDefinition(
                self, "Subscriptions", core_name=name, subscriptions=subscriptions
            ).version_arn,
            logger=LoggerDefinition(self, "Loggers", core_name=name).version_arn,
            connector=connector_definition.version_arn if connector_definition else None,
        )

    def _warn_of_shutdown(self) -> None:
        """Warn of the shutdown once, with what to do; the validator warns at each resource."""
        cdk.Annotations.of(self).add_warning_v2("mli-greengrass:v1Shutdown", SHUTDOWN_NOTICE)
        cdk.Validations.of(self).acknowledge(
            cdk.Acknowledgment(id="CloudFormation-Validate::W3696", reason=SHUTDOWN_NOTICE)
        )

    def _feedback(self, settings: Settings) -> tuple[FeedbackBucket | None, Connector | None]:
        if settings.feedback is None:
            return None, None
        samples = FeedbackBucket(self, "Feedback", feedback=settings.feedback)
        limit = settings.inference.feedback_request_limit
        return samples, feedback_connector(self, samples.configuration, limit)


def _estimator(settings: Settings, job: TrainingJob) -> Connector:
    """Return the connector that predicts, which serves the first feedback configuration."""
    feedback = settings.feedback
    return image_classification_connector(
        job,
        settings.architecture,
        settings.inference.accelerator,
        served_by_service(feedback.configuration).id if feedback else None,
    )


def _subscriptions(
    topics: Sequence[str], function: InferenceFunction, feedback: Connector | None
) -> list[Subscription]:
    """Return the topics of the function and of the feedback connector, if there is one."""
    predictions, telemetry, *of_connector = topics
    subscriptions = [
        Subscription("Predictions", function.alias_arn, predictions),
        Subscription("Telemetry", function.alias_arn, telemetry),
    ]
    if feedback is not None:
        subscriptions += [
            Subscription(name, feedback.arn, topic)
            for name, topic in zip(
                ("FeedbackPredictions", "FeedbackStatus"), of_connector, strict=True
            )
        ]
    return subscriptions
