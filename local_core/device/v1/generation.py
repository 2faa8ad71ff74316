"""Greengrass V1 as one of the generations that a local core can be of."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..generation import ClientOf, Generation
from ..setup import CoreConfiguration
from .configuration import read_configuration, write_configuration
from .core import V1Device

_SERVICE_ROLE = "Greengrass_ServiceRole"


class GenerationV1(Generation):
    """A core with a group, a function and connectors."""

    configuration_name = "config/config.json"
    device_folder = "/greengrass"
    listing_command = "aws greengrass list-groups"
    has_nucleus = False
    after_deploy = "run the new CommandToDeployGroup that it prints"

    def thing_name(self, configuration: Mapping[str, Any]) -> str:
        """Return the thing of the core that a configuration is for."""
        arn: str = configuration["coreThing"]["thingArn"]
        return arn.rpartition("thing/")[2]

    def write_configuration(self, output: str, root: Path) -> Path:
        """Write the core's configuration file from the stack's output."""
        return write_configuration(output, root)

    def read_configuration(self, file: Path) -> CoreConfiguration:
        """Read the core's configuration file."""
        return read_configuration(file)

    def device(
        self,
        configuration: CoreConfiguration,
        *,
        on_change: object = None,
        nucleus: object = None,
        **options: Any,
    ) -> V1Device:
        """Return the core; a group has no states and no nucleus, so these two are not used."""
        return V1Device(configuration, **options)

    def prepare_account(self, client: ClientOf) -> None:
        """Associate the service role that reads models in S3, as a user does once per account."""
        from botocore.exceptions import ClientError

        greengrass = client("greengrass")
        try:
            greengrass.get_service_role_for_account()
            return
        except ClientError as error:
            if error.response["Error"]["Code"] != "RoleNotFoundException":
                raise
        statement = {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": "greengrass.amazonaws.com"},
        }
        trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        role = client("iam").create_role(RoleName=_SERVICE_ROLE, AssumeRolePolicyDocument=trust)
        greengrass.associate_service_role_to_account(RoleArn=role["Role"]["Arn"])

    def finish_deployment(self, client: ClientOf, outputs: Mapping[str, str]) -> None:
        """Deploy the core's group, as the output ``CommandToDeployGroup`` says."""
        words = shlex.split(outputs["CommandToDeployGroup"])
        request = json.loads(words[words.index("--cli-input-json") + 1])
        client("greengrass").create_deployment(**request)

    def short_name(self, part: str) -> str:
        """Return a function's name from its ARN."""
        return part.split(":")[6]
