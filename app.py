"""The CDK app: context in, one Greengrass core out."""

import sys

import aws_cdk as cdk

import edge_functions  # noqa: F401  (makes the device's ``inference`` package importable)
from inference import schema
from stacks.checks import add_checks
from stacks.core_stack import GreengrassCoreStack
from stacks.settings import Settings, report


def main() -> None:
    """Synthesise the core that the context describes, or say what is wrong with the context."""
    app = cdk.App()
    try:
        settings = Settings.from_context(app.node.get_all_context())
    except schema.ConfigurationError as error:
        sys.exit(report(error))
    GreengrassCoreStack(app, settings=settings)
    add_checks(app)
    app.synth()


if __name__ == "__main__":
    main()
