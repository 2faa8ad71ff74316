"""The CDK app: it turns a context into the stacks of one Greengrass core."""

import sys

import aws_cdk as cdk

from inference import schema
from stacks.context.report import format_faults
from stacks.context.settings import Settings
from stacks.generations import GENERATIONS, read_settings
from stacks.nag_checks import add_checks
from stacks.simulator.stack import SimulatorStack


def add_stacks(app: cdk.App, settings: Settings) -> None:
    """Add the stacks that the settings require."""
    generation = GENERATIONS[settings.greengrass_version]
    generation.stack(app, settings=settings)
    if settings.simulator:
        SimulatorStack(app, settings=settings, set_up=generation.simulator)


def main() -> None:
    """Synthesise the core that the context describes, or report every fault of the context."""
    app = cdk.App()
    try:
        add_stacks(app, read_settings(app.node.get_all_context()))
    except schema.ConfigurationError as error:
        sys.exit(format_faults(error))
    add_checks(app)
    app.synth()


if __name__ == "__main__":
    main()
