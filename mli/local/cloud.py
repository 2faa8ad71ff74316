"""``mli cloud``: a cloud that stays up, for shells to work with as with AWS."""

from __future__ import annotations

import time
from pathlib import Path

import click

from local_core.cloud import LocalCloudError
from local_core.cloud.deployment.deploy import DeployError
from local_core.interrupts import Interrupted, Interrupts
from local_core.process_environment import for_a_local_cloud
from local_core.progress import Progress
from local_core.shared_cloud import MODEL_BUCKET, Site, SiteBusyError
from local_core.shell_environment import write_environment
from local_core.synthesis import REPOSITORY

from ..cli.output import examples

STATE = REPOSITORY / "build" / "local-cloud"
ENVIRONMENT = "environment.sh"
_POLL_SECONDS = 0.2


@click.command(
    epilog=examples(
        "mli cloud",
        "mli cloud --folder /tmp/cloud",
    )
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=STATE,
    help="For its log, its authority and the shells' environment; default: build/local-cloud.",
)
def cloud(folder: Path) -> None:
    """Start a cloud on this machine, and leave it up until Ctrl-C.

    It begins empty but for what an account has that is ready for `cdk deploy`: CDK's bootstrap
    stack, a bucket for models, and the service role of Greengrass V1. Shells that `source` the file
    which it names reach it in place of AWS, with every tool. What it holds ends with it.
    """
    progress = Progress()
    environment = folder.absolute() / ENVIRONMENT
    try:
        with (
            for_a_local_cloud(),
            Interrupts() as interrupts,
            Site(folder.absolute(), progress, interrupts) as site,
        ):
            environment.unlink(missing_ok=True)
            try:
                site.bootstrap()
                site.cloud.client("s3").create_bucket(Bucket=MODEL_BUCKET)
                site.associate_service_role()
                write_environment(site.cloud, environment)
                progress.say("ready, until Ctrl-C; in each shell that is to use this cloud:")
                progress.detail(f"source {_shown(environment)}")
                while site.cloud.is_running():
                    interrupts.check()
                    time.sleep(_POLL_SECONDS)
                raise LocalCloudError(f"the local cloud has ended; its log is {site.cloud.log}")
            except DeployError:
                interrupts.check()  # what was stopped in the middle is no failure
                raise
            finally:
                environment.unlink(missing_ok=True)
                progress.say("stopping the local cloud")
    except Interrupted:
        return
    except SiteBusyError:
        raise click.ClickException(
            f"a local cloud is up already: `source {_shown(environment)}`, or give another --folder"
        ) from None
    except (DeployError, LocalCloudError, OSError) as failure:
        raise click.ClickException(str(failure)) from failure


def _shown(path: Path) -> str:
    """Return a path as somebody in the current folder would write it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
