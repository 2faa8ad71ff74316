"""The CDK app: it turns a context into the stacks of a Greengrass core, or of a fleet."""

import gc
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    gc.disable()  # it takes a fifth of this short process, and frees little

import stacks.node  # noqa: F401 - the environment of the Node that aws_cdk starts

try:
    import aws_cdk as cdk

    from inference import schema
except ModuleNotFoundError as error:
    needed = Path(__file__).resolve().with_name("requirements.txt")
    sys.exit(f"{error}; install the app's packages first: pip install -r {needed}")

from stacks.context import elsewhere
from stacks.context.report import format_faults
from stacks.context.settings import Settings
from stacks.generations import GENERATIONS, read_settings
from stacks.nag_checks import add_checks

REPORT = "validation-report.json"
"""What the CDK CLI prints after a synthesis. With ``CDK_VALIDATION=false``, as on a local cloud,
the library leaves that of an earlier one in its folder if there is nothing to report."""


def add_stacks(app: cdk.App, settings: Settings) -> None:
    """Add the stacks that the settings require."""
    generation = GENERATIONS[settings.greengrass_version]
    generation.stack(app, settings=settings)
    if settings.simulator:
        from stacks.simulator.stack import SimulatorStack  # imports much that few cores need

        SimulatorStack(app, settings=settings, set_up=generation.simulator)


def feature_flags() -> dict[str, Any]:
    """Return the context of cdk.json: the CDK CLI reads it in its own working directory only.

    Raises:
        ConfigurationError: if a key stands there twice, which the CDK CLI accepts.
    """
    file = Path(__file__).with_name("cdk.json")
    try:
        found = schema.strict_json(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise schema.ConfigurationError([schema.Fault("cdk.json", file.name, str(error))]) from None
    return dict(found["context"])


def new_app() -> cdk.App:
    """Return the app with the context of cdk.json and of the command line.

    Raises:
        ConfigurationError: for keys of the CDK itself with values that it would ignore.
    """
    flags = feature_flags()
    app = cdk.App(analytics_reporting=False, context=flags)
    structured = elsewhere.structured_cdk_keys(app.node.get_all_context())
    if structured:  # context is frozen once an app exists
        app = cdk.App(analytics_reporting=False, context=flags, post_cli_context=structured)
    return app


def main() -> None:
    """Synthesise the core or fleet of the context, or report every fault of the context."""
    try:
        app = new_app()
        context = app.node.get_all_context()
        own = elsewhere.without_foreign_keys(context, elsewhere.context_files())
        add_stacks(app, read_settings(own))
    except schema.ConfigurationError as error:
        sys.exit(format_faults(error))
    add_checks(app)
    Path(app.outdir, REPORT).unlink(missing_ok=True)
    app.synth()


if __name__ == "__main__":
    main()
