"""What the stack of a core and the stack of a fleet have in common."""

import dataclasses

import aws_cdk as cdk
from constructs import Construct, IDependable

from stacks.component import job_document
from stacks.component.artifact_store import ArtifactStore
from stacks.component.artifacts import Artifacts
from stacks.component.deployment import ComponentDeployment
from stacks.component.inference_component import InferenceComponent
from stacks.component.kept_components import KeptComponents
from stacks.component.model_limit import limit_line
from stacks.context.settings import Settings
from stacks.core.endpoints import IotEndpoints
from stacks.core.feedback_bucket import FeedbackBucket
from stacks.core.feedback_cost import cost_line
from stacks.core.identity import CoreIdentity
from stacks.core.nucleus_configuration import Network, NucleusConfiguration
from stacks.core.outputs import add_common_outputs, add_deployment_outputs, add_output
from stacks.core.telemetry_table import TelemetryTable
from stacks.core.token_exchange import TokenExchange
from stacks.names import published_topics

_BEFORE_DEPLOYMENTS = (
    "Actions",
    "Endpoints",
    "Feedback",
    "LastWords",
    "Monitoring",
    "Store",
    "TokenExchange",
)
"""The constructs of a stack that do not depend on a deployment, as far as the stack has them."""


class InferenceStack(cdk.Stack):
    """The component with its artifacts, the credentials of its cores, and where samples go.

    ``settings`` are checked first: cores must be able to read what will be deployed to them.
    """

    def __init__(self, scope: Construct, *, settings: Settings) -> None:
        job_document.check(settings)
        self.own = settings.names
        self._network = Network(settings.mqtt_port, settings.network_proxy)
        super().__init__(
            scope, self.own.stack, description=f"Image inference on the {self.own.owner}"
        )
        if line := limit_line(settings):
            cdk.Annotations.of(self).add_info(line)
        artifacts = Artifacts(self, "Artifacts", settings=settings)
        store = ArtifactStore(
            self,
            "Store",
            component_name=self.own.component,
            kms_key_arn=settings.kms_key_arn,
        )
        self._previews = settings.inference.preview_interval is not None
        self.feedback: FeedbackBucket | None = None
        if settings.feedback is not None:
            self.feedback = FeedbackBucket(
                self,
                "Feedback",
                feedback=settings.feedback,
                kms_key_arn=settings.kms_key_arn,
                many_cores=settings.fleet_name is not None,
            )
            cdk.Annotations.of(self).add_info(cost_line(settings.inference, settings.feedback))
        self.credentials = TokenExchange(
            self, "TokenExchange", own=self.own, store=store, feedback=self.feedback
        )
        self.component = InferenceComponent(
            self,
            "Inference",
            own=self.own,
            topics=self.topics_of(self.own.core),
            local_topic=settings.inference.local_topic,
            artifacts=artifacts,
            store=store,
        )
        # This id is a part of logical ids: with another one, deployed tables would be replaced.
        self.telemetry_table = TelemetryTable(self, "LastWords", own=self.own)
        add_output(
            self,
            "TelemetryTable",
            self.telemetry_table.table_name,
            "The newest telemetry of each core",
        )
        self._settings = settings
        self._deployments: list[ComponentDeployment] = []
        # Only now are the names of the buckets known.
        self._inference = dataclasses.replace(
            settings.inference, feedback=self.feedback.configuration if self.feedback else None
        )

    def topics_of(self, core_name: str) -> tuple[str, ...]:
        """Return the topics of a core of this stack, predictions first."""
        return published_topics(
            core_name,
            feedback=self.feedback is not None,
            previews=self._previews,
        )

    def add_outputs(
        self,
        core_name: str,
        *,
        thing_name: str,
        identity: CoreIdentity | None,
        group_arn: str,
        deployment: ComponentDeployment,
    ) -> None:
        """Add what users and commands need of a core; those of a fleet have no ``identity``."""
        endpoints = IotEndpoints(self, "Endpoints")
        configuration = NucleusConfiguration(
            thing_name=thing_name,
            role_alias=self.credentials.alias_name,
            region=self.region,
            data_endpoint=endpoints.data,
            credentials_endpoint=endpoints.credentials,
            network=self._network,
        )
        add_deployment_outputs(
            self,
            configuration=configuration,
            target=group_arn,
            deployment_id=deployment.deployment_id,
        )
        add_common_outputs(
            self,
            prediction_topic=self.topics_of(core_name)[0],
            identity=identity,
            feedback_bucket=self.feedback.bucket_name if self.feedback else None,
        )

    def deployment_to(
        self, group_arn: str, *needed: IDependable, prefix: str = ""
    ) -> ComponentDeployment:
        """Return the deployment to a thing group, created after all that its cores need for it.

        ``prefix`` distinguishes several deployments of a stack.
        """
        configuration = self._inference.to_configuration(with_defaults=False)
        others = self._settings.other_components
        kept = KeptComponents(
            self,
            f"{prefix}Kept",
            target_arn=group_arn,
            names=[self.component.content.name, *(one.name for one in others)],
            version=self.component.version,
            settings_digest=self._settings.deployed_digest(),
            may_drop=self._settings.drop_components,
            thing_groups=self._settings.thing_groups,
        )
        deployment = ComponentDeployment(
            self,
            f"{prefix}Deployment",
            name=self.own.stack,
            target_arn=group_arn,
            component=self.component,
            configuration=configuration,
            others=others,
            rollout=self._settings.rollout,
        )
        # A core may act on the deployment at once, so it needs its permissions before.
        deployment.node.add_dependency(self.credentials.role, kept.checked, *needed)
        self._deployments.append(deployment)
        return deployment

    def deploy_last(self) -> None:
        """Let no deployment begin while another part of the stack can still fail.

        A rollback deletes a new deployment, but repeats none: cores keep what they have got by
        then, and nothing gives them the settings before it.
        """
        first = [child for child in self.node.children if child.node.id in _BEFORE_DEPLOYMENTS]
        for deployment in self._deployments:
            deployment.node.add_dependency(*first)
