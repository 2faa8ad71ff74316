"""The destinations of the logs of the core and of its functions."""

from aws_cdk import aws_greengrass as greengrass
from constructs import Construct

LEVEL = "INFO"

FILE_SPACE_KB = 32_768
"""Disk space on the core for the files of each log; the oldest entries are deleted first."""

COMPONENTS = ("GreengrassSystem", "Lambda")


class LoggerDefinition(Construct):
    """A definition with four loggers: the system's and the functions', in files and in CloudWatch.

    https://docs.aws.amazon.com/greengrass/v1/developerguide/greengrass-logs-overview.html
    """

    def __init__(self, scope: Construct, construct_id: str, *, core_name: str) -> None:
        super().__init__(scope, construct_id)
        definition = greengrass.CfnLoggerDefinition(self, "Resource", name=f"{core_name}_Loggers")
        kind = greengrass.CfnLoggerDefinitionVersion.LoggerProperty
        loggers = []
        for component in COMPONENTS:
            loggers += [
                kind(
                    id=f"{component}-AWSCloudWatch",
                    component=component,
                    level=LEVEL,
                    type="AWSCloudWatch",
                ),
                kind(
                    id=f"{component}-FileSystem",
                    component=component,
                    level=LEVEL,
                    type="FileSystem",
                    space=FILE_SPACE_KB,
                ),
            ]
        version = greengrass.CfnLoggerDefinitionVersion(
            self, "Version", logger_definition_id=definition.attr_id, loggers=loggers
        )
        self.version_arn = version.ref
