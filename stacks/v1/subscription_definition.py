"""Which messages leave the core: exactly its own topics, to the cloud."""

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import aws_greengrass as greengrass
from constructs import Construct

CLOUD = "cloud"


@dataclass(frozen=True)
class Subscription:
    """A topic that the ``source``, a function's or a connector's ARN, may publish to the cloud."""

    id: str
    source: str
    topic: str


class SubscriptionDefinition(Construct):
    """A definition with these subscriptions; the core's router drops all other messages."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        core_name: str,
        subscriptions: Sequence[Subscription],
    ) -> None:
        super().__init__(scope, construct_id)
        definition = greengrass.CfnSubscriptionDefinition(
            self, "Resource", name=f"{core_name}_Subscriptions"
        )
        version = greengrass.CfnSubscriptionDefinitionVersion(
            self,
            "Version",
            subscription_definition_id=definition.attr_id,
            subscriptions=[
                greengrass.CfnSubscriptionDefinitionVersion.SubscriptionProperty(
                    id=one.id, source=one.source, subject=one.topic, target=CLOUD
                )
                for one in subscriptions
            ],
        )
        self.version_arn = version.ref
