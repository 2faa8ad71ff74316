"""The CDK app: context in, one Greengrass core out."""

import sys

import aws_cdk as cdk

from inference import schema
from stacks.context.report import report
from stacks.context.settings import Settings
from stacks.core.stack import GreengrassCoreStack
from stacks.nag_checks import add_checks
from stacks.simulator.stack import SimulatorStack
from stacks.v1.group_stack import GreengrassGroupStack


def add_stacks(app: cdk.App, settings: Settings) -> None:
    """Add the stacks that the settings ask for."""
    if settings.greengrass_version == 1:
        GreengrassGroupStack(app, settings=settings)
    else:
        GreengrassCoreStack(app, settings=settings)
    if settings.simulator:
        SimulatorStack(app, settings=settings)


def main() -> None:
    """Synthesise the core that the context describes, or say what is wrong with the context."""
    app = cdk.App()
    try:
        add_stacks(app, Settings.from_context(app.node.get_all_context()))
    except schema.ConfigurationError as error:
        sys.exit(report(error))
    add_checks(app)
    app.synth()


if __name__ == "__main__":
    main()
