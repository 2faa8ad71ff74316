"""The CDK app: context in, one Greengrass core out."""

import json
import os
import sys
from pathlib import Path
from typing import Any

# Node 20 works, but is past its end of life: jsii, which aws_cdk starts, would print a banner.
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")

try:
    import aws_cdk as cdk

    from inference import schema
except ModuleNotFoundError as error:
    needed = Path(__file__).resolve().with_name("requirements.txt")
    sys.exit(f"{error}; install the app's packages first: pip install -r {needed}")

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


def feature_flags() -> dict[str, Any]:
    """Return the context of cdk.json: the CDK CLI reads it in its own working directory only."""
    found = json.loads(Path(__file__).with_name("cdk.json").read_text(encoding="utf-8"))
    return dict(found["context"])


def main() -> None:
    """Synthesise the core that the context describes, or say what is wrong with the context."""
    app = cdk.App(analytics_reporting=False, context=feature_flags())
    try:
        add_stacks(app, Settings.from_context(app.node.get_all_context()))
    except schema.ConfigurationError as error:
        sys.exit(report(error))
    add_checks(app)
    app.synth()


if __name__ == "__main__":
    main()
