"""How the core runs the inference function."""

from collections.abc import Mapping, Sequence

from aws_cdk import aws_greengrass as greengrass
from constructs import Construct

REQUEST_TIMEOUT_SECONDS = 30
"""Time limit of one request to the handler. Predictions run outside of requests, without limit."""


class FunctionDefinition(Construct):
    """A definition with one function: long-lived, and outside a container.

    So it starts with the core, runs forever, and can use the machine's Python packages, cameras and
    accelerators. Memory limit, ``/sys`` access and resource permissions are for containers: without
    one, the service refuses a group that sets them.
    https://docs.aws.amazon.com/greengrass/v1/developerguide/lambda-group-config.html#lambda-containerization-considerations
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        core_name: str,
        function_arn: str,
        variables: Mapping[str, str],
        resource_ids: Sequence[str],
    ) -> None:
        super().__init__(scope, construct_id)
        definition = greengrass.CfnFunctionDefinition(
            self, "Resource", name=f"{core_name}_Functions"
        )
        kind = greengrass.CfnFunctionDefinitionVersion
        version = kind(
            self,
            "Version",
            function_definition_id=definition.attr_id,
            functions=[
                kind.FunctionProperty(
                    id="DlrInference",
                    function_arn=function_arn,
                    function_configuration=kind.FunctionConfigurationProperty(
                        pinned=True,
                        encoding_type="json",
                        timeout=REQUEST_TIMEOUT_SECONDS,
                        environment=kind.EnvironmentProperty(
                            variables=dict(variables),
                            execution=kind.ExecutionProperty(isolation_mode="NoContainer"),
                            resource_access_policies=[
                                kind.ResourceAccessPolicyProperty(resource_id=resource_id)
                                for resource_id in resource_ids
                            ],
                        ),
                    ),
                )
            ],
        )
        self.version_arn = version.ref
