"""The outputs of a deployed V1 core, for the user and for the commands that set it up."""

import json
from typing import Any

import aws_cdk as cdk

from stacks.core.endpoints import IotEndpoints
from stacks.core.identity import CoreIdentity
from stacks.core.outputs import add_common_outputs, add_output

CERTIFICATE = "CERTIFICATE_NAME_HERE"
PRIVATE_KEY = "PRIVATE_KEY_FILENAME_HERE"

_PORT = 443
"""The port that firewalls allow; the core then uses MQTT with ALPN."""

_CERTIFICATES = "file:///greengrass/certs"
_KEEP_ALIVE_SECONDS = 600


def add_group_outputs(
    stack: cdk.Stack,
    *,
    prediction_topic: str,
    identity: CoreIdentity,
    group_id: str,
    version_id: str,
    endpoints: IotEndpoints,
    feedback_bucket: str | None,
) -> None:
    """Add the outputs of a group's stack."""
    configuration = core_configuration(
        thing_arn=identity.thing_arn,
        iot_host=endpoints.data,
        greengrass_host=cdk.Fn.sub("greengrass-ats.iot.${AWS::Region}.${AWS::URLSuffix}"),
    )
    add_output(
        stack,
        "GreengrassConfig",
        stack.to_json_string(configuration),
        "config.json of the core; fill in the names of the certificate's and the key's files",
    )
    add_output(
        stack,
        "CommandToDeployGroup",
        deploy_command(region=stack.region, group_id=group_id, version_id=version_id),
        "Gives the core this version of the group; nothing runs there before",
    )
    add_output(stack, "GreengrassGroupID", group_id, "The group")
    add_common_outputs(
        stack,
        prediction_topic=prediction_topic,
        identity=identity,
        feedback_bucket=feedback_bucket,
    )


def core_configuration(*, thing_arn: str, iot_host: str, greengrass_host: str) -> dict[str, Any]:
    """Return the core's config.json, without the names of the certificate's and the key's files.

    https://docs.aws.amazon.com/greengrass/v1/developerguide/gg-core.html#config-json
    """
    return {
        "coreThing": {
            "thingArn": thing_arn,
            "iotHost": iot_host,
            "ggHost": greengrass_host,
            "iotMqttPort": _PORT,
            "iotHttpPort": _PORT,
            "ggHttpPort": _PORT,
            "keepAlive": _KEEP_ALIVE_SECONDS,
        },
        "runtime": {"cgroup": {"useSystemd": "yes"}},
        "managedRespawn": False,
        "crypto": {
            "principals": {
                "IoTCertificate": {
                    "certificatePath": f"{_CERTIFICATES}/{CERTIFICATE}",
                    "privateKeyPath": f"{_CERTIFICATES}/{PRIVATE_KEY}",
                }
            },
            "caPath": f"{_CERTIFICATES}/AmazonRootCA1.pem",
        },
    }


def deploy_command(*, region: str, group_id: str, version_id: str) -> str:
    """Return the command that deploys this version of the group; ids hold no quotes."""
    request = json.dumps(
        {"DeploymentType": "NewDeployment", "GroupId": group_id, "GroupVersionId": version_id}
    )
    return f"aws --region {region} greengrass create-deployment --cli-input-json '{request}'"
