"""``mli cloud``: a local cloud that shells use as they use AWS."""

from __future__ import annotations

import time
from pathlib import Path

import click

from local_core.device.generations import GENERATIONS
from local_core.output.progress import Progress
from local_core.processes.cdk import REPOSITORY, CdkError
from local_core.processes.environments import for_local_cloud, write_shell_file
from local_core.processes.folder_lock import FolderBusyError
from local_core.processes.interrupts import Interrupted, Interrupts
from local_core.run.shared_cloud import MODEL_BUCKET, SharedCloud

from ..cli.output import examples
from .failures import FAILURES, reported
from .options import region_option

STATE = REPOSITORY / "build" / "local-cloud"
ENVIRONMENT = "environment.sh"
_POLL_SECONDS = 0.2


@click.command(
    epilog=examples(
        "mli cloud",
        "mli cloud --folder /tmp/cloud",
        "mli cloud --region eu-west-1",
        "mli cloud --deployer-policy policy.json",
    )
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=STATE,
    help="Folder for its log, its authority and the environment of shells; "
    "default: build/local-cloud.",
)
@click.option(
    "--deployer-policy",
    metavar="FILE",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    help="IAM policy with what CloudFormation may do; can be repeated; "
    "default: stacks/deployer-policy*.json.",
)
@region_option
def cloud(folder: Path, deployer_policy: tuple[Path, ...], region: str) -> None:
    """Start a cloud on this machine, and keep it running until Ctrl-C.

    It starts with what an account needs for `cdk deploy`, and nothing else: the CDK's bootstrap
    stack, a bucket for models, and the service role of Greengrass V1. In a shell that
    has sourced the file that it names, every tool uses this cloud instead of AWS. Its data is
    deleted when it ends.
    """
    progress = Progress()
    environment = folder.absolute() / ENVIRONMENT
    try:
        with (
            for_local_cloud(),
            Interrupts() as interrupts,
            SharedCloud(folder.absolute(), progress, interrupts, region=region) as shared,
        ):
            environment.unlink(missing_ok=True)
            try:
                shared.bootstrap(*deployer_policy)
                shared.cloud.create_bucket(MODEL_BUCKET)
                for generation in GENERATIONS.values():
                    generation.prepare_account(shared.cloud.client)
                write_shell_file(shared.cloud.environment(), environment)
                progress.say("ready, until Ctrl-C; in each shell that is to use this cloud:")
                progress.detail(f"source {_shown(environment)}")
                while True:
                    interrupts.check()
                    shared.cloud.check()
                    time.sleep(_POLL_SECONDS)
            except CdkError:
                interrupts.check()  # a step that was stopped is not a failure
                raise
            finally:
                environment.unlink(missing_ok=True)
                progress.say("stopping the local cloud")
    except Interrupted:
        return
    except FolderBusyError:
        raise click.ClickException(
            f"a local cloud is up already: `source {_shown(environment)}`, or give another --folder"
        ) from None
    except FAILURES as failure:
        raise reported(failure) from failure


def _shown(path: Path) -> str:
    """Return a path relative to the current folder, if it is below it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
