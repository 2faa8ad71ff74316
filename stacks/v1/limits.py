"""Limits of the first generation, checked before any construct exists."""

from inference import schema
from inference.v1.environment import FunctionEnvironment

MAX_ENVIRONMENT_BYTES = 4_096
"""Largest environment of a Lambda function, names and values together.
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

_LONGEST_CONNECTORS = sum(
    len(f"arn:aws-us-gov:lambda:ap-southeast-99:aws:function:{name}")
    for name in ("MLFeedback", "GG-ML-INF-image-classification-image-classification")
)


def check_environment(environment: FunctionEnvironment) -> None:
    """Check that the function's environment is not too large.

    ``environment`` has no connectors yet: their ARNs are counted at their longest.

    Raises:
        ConfigurationError: with the key that has the longest value.
    """
    variables = environment.to_variables()
    size = sum(len(f"{name}{value}".encode()) for name, value in variables.items())
    size += _LONGEST_CONNECTORS
    if size <= MAX_ENVIRONMENT_BYTES:
        return
    configuration = environment.settings.to_configuration()
    key = max(configuration, key=lambda name: len(str(configuration[name])))
    rule = f"makes the environment {size} bytes; a function accepts {MAX_ENVIRONMENT_BYTES}"
    raise schema.ConfigurationError([schema.Fault(key, configuration[key], rule)])
