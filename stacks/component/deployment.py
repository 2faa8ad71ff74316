"""The deployment of the component: to one core, or to all cores of a thing group."""

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_greengrassv2 as greengrassv2
from constructs import Construct

from stacks.component.inference_component import InferenceComponent
from stacks.component.job_document import POLICY_TIMEOUT_SECONDS

JOB_TIMEOUT_MINUTES = 60
"""Time for a core that is online to finish: the install script alone may take 30 minutes."""


class ComponentDeployment(Construct):
    """What a target runs, and with which settings.

    If that fails, the classic nucleus rolls back by itself. Nucleus lite does not: the component
    stays broken until the next deployment. ``target_arn`` is a thing's or a thing group's,
    ``configuration`` what differs from the defaults of the recipe and of the device. CloudFormation
    completes it when it is created, not when a core has carried it out.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        target_arn: str,
        component: InferenceComponent,
        configuration: Mapping[str, object],
    ) -> None:
        super().__init__(scope, construct_id)
        kind = greengrassv2.CfnDeployment
        deployment = kind(
            self,
            "Resource",
            deployment_name=name,
            target_arn=target_arn,
            components={
                component.content.name: kind.ComponentDeploymentSpecificationProperty(
                    component_version=component.version,
                    # Without the reset, a key that a core already has would keep its old value, and
                    # one that is left out would not take the recipe's default.
                    configuration_update=kind.ComponentConfigurationUpdateProperty(
                        reset=[""],
                        merge=cdk.Stack.of(self).to_json_string(configuration),
                    ),
                )
            },
            deployment_policies=kind.DeploymentPoliciesProperty(
                failure_handling_policy="ROLLBACK",
                component_update_policy=kind.DeploymentComponentUpdatePolicyProperty(
                    action="NOTIFY_COMPONENTS", timeout_in_seconds=POLICY_TIMEOUT_SECONDS
                ),
                configuration_validation_policy=(
                    kind.DeploymentConfigurationValidationPolicyProperty(
                        timeout_in_seconds=POLICY_TIMEOUT_SECONDS
                    )
                ),
            ),
            iot_job_configuration=kind.DeploymentIoTJobConfigurationProperty(
                timeout_config=kind.IoTJobTimeoutConfigProperty(
                    in_progress_timeout_in_minutes=JOB_TIMEOUT_MINUTES
                )
            ),
        )
        self.deployment_id = deployment.attr_deployment_id
