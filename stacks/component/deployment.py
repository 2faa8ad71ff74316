"""The deployment of the component to the cores of a thing group, which may be one core."""

import json
from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_greengrassv2 as greengrassv2
from constructs import Construct

from stacks.component.inference_component import InferenceComponent
from stacks.component.job_document import POLICY_TIMEOUT_SECONDS
from stacks.context.components import OtherComponent
from stacks.context.rollout import ExponentialRate, Rollout


class ComponentDeployment(Construct):
    """What a target runs, and with which settings.

    If that fails, the classic nucleus rolls back by itself. Nucleus lite does not: the component
    stays broken until the next deployment. ``target_arn`` is a thing group's, because nucleus lite
    reads no deployment to a thing. ``configuration`` is what differs from the defaults of the
    recipe and of the device. CloudFormation completes it when it is created, not when a core has
    carried it out.
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
        others: Sequence[OtherComponent],
        rollout: Rollout,
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
                ),
                **{one.name: _other(one) for one in others},
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
            iot_job_configuration=_job_configuration(rollout),
        )
        self.deployment_id = deployment.attr_deployment_id


def _other(
    component: OtherComponent,
) -> greengrassv2.CfnDeployment.ComponentDeploymentSpecificationProperty:
    kind = greengrassv2.CfnDeployment
    update = None
    if component.configuration:
        merge = json.dumps(component.configuration, sort_keys=True)
        update = kind.ComponentConfigurationUpdateProperty(merge=merge)
    return kind.ComponentDeploymentSpecificationProperty(
        component_version=component.version, configuration_update=update
    )


def _job_configuration(
    rollout: Rollout,
) -> greengrassv2.CfnDeployment.DeploymentIoTJobConfigurationProperty:
    kind = greengrassv2.CfnDeployment
    pace = abort = None
    if rollout.maximum_per_minute is not None or rollout.exponential is not None:
        pace = kind.IoTJobExecutionsRolloutConfigProperty(
            maximum_per_minute=rollout.maximum_per_minute,
            exponential_rate=_exponential_rate(rollout.exponential),
        )
    if rollout.abort:
        criteria = [
            kind.IoTJobAbortCriteriaProperty(
                action="CANCEL",
                failure_type=one.failure,
                threshold_percentage=one.percentage,
                min_number_of_executed_things=one.executed,
            )
            for one in rollout.abort
        ]
        abort = kind.IoTJobAbortConfigProperty(criteria_list=criteria)
    return kind.DeploymentIoTJobConfigurationProperty(
        abort_config=abort,
        job_executions_rollout_config=pace,
        timeout_config=kind.IoTJobTimeoutConfigProperty(
            in_progress_timeout_in_minutes=rollout.timeout_minutes
        ),
    )


def _exponential_rate(
    rate: ExponentialRate | None,
) -> greengrassv2.CfnDeployment.IoTJobExponentialRolloutRateProperty | None:
    if rate is None:
        return None
    return greengrassv2.CfnDeployment.IoTJobExponentialRolloutRateProperty(
        base_rate_per_minute=rate.base_per_minute,
        increment_factor=rate.increment_factor,
        # The CDK has no type for it, and passes it on as it is.
        rate_increase_criteria={rate.criterion[0].upper() + rate.criterion[1:]: rate.count},
    )
