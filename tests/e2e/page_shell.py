"""A shell on a local cloud, as a reader of README, CONTRIBUTING and docs has it: fixtures.

The cloud is in another Region than the one of ``test_guide``, and the shell names that Region as
the CDK's users do, by AWS_REGION alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local_core.output.progress import Progress
from local_core.processes.environments import write_shell_file
from local_core.processes.interrupts import Interrupts
from local_core.run.shared_cloud import SharedCloud, model_archive
from models import store
from tests.conftest import REPOSITORY
from tests.docs.commands import inline_commands
from tests.e2e.checkout import Shell, checkout
from tests.e2e.page_commands import MODELS, PROFILE, SCENES, to_run

AWS = REPOSITORY / "tests" / "docs" / "aws_stand_in.py"
REGION = "eu-west-1"
QUICKLY = 'npx() { "node_modules/.bin/$@"; }; export CDK_METHOD=direct'
"""npx takes 0.4 s of a processor to find a command, and the CDK 0.7 s to look at a change set.

The bootstrap goes through npx, and the guide's deployment through both.
"""


@pytest.fixture(scope="module")
def page_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedCloud]:
    """A cloud with models and a bucket for samples, and nothing else."""
    state = tmp_path_factory.mktemp("cloud")
    with SharedCloud(state, Progress(), Interrupts(), region=REGION) as made:
        archive = model_archive(store.unpacked(PROFILE))
        for bucket in MODELS:
            made.deployer().upload_model(archive, bucket=bucket, key="model.tar.gz")
        made.cloud.create_bucket("hall-samples")
        yield made


@pytest.fixture(scope="module")
def page_copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with checkout(tmp_path_factory.mktemp("copy") / "checkout") as made:
        yield made


@pytest.fixture(scope="module")
def bootstrapped(
    page_cloud: SharedCloud, page_copy: Path, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """What `npx cdk bootstrap` printed, as README writes it."""
    command = documented("README.md", "npx cdk bootstrap")
    where = f"{page_cloud.cloud.account}/{REGION}"
    with started(page_cloud, page_copy, tmp_path_factory.mktemp("bootstrap") / "log") as shell:
        return done(shell, command.replace("ACCOUNT/REGION", where))


@pytest.fixture
def page_shell(
    page_cloud: SharedCloud, page_copy: Path, bootstrapped: str, tmp_path: Path
) -> Iterator[Shell]:
    with started(page_cloud, page_copy, tmp_path / "shell.log") as made:
        done(made, QUICKLY)
        yield made


def started(shared: SharedCloud, copy: Path, log: Path) -> Shell:
    """Return a shell that uses the cloud and, instead of the AWS CLI, its stand-in."""
    file = write_shell_file(shared.cloud.environment(), log.with_suffix(".environment"))
    shell = Shell(copy, log)
    done(shell, f"source {file} && source .venv/bin/activate")
    done(shell, "unset AWS_DEFAULT_REGION")  # AWS_REGION is enough
    done(shell, f'aws() {{ python {AWS} "$@"; }}')
    labels = "edge_functions/dlr_inference/inference/profiles"
    done(shell, f"MODEL={model_archive(store.unpacked(PROFILE))} LABELS={labels}/{PROFILE}.txt")
    return shell


def done(shell: Shell, command: str) -> str:
    """Run a command, which succeeds; return what it printed."""
    status, output = shell.run(command, until_ready=command.endswith("&"))
    assert status == 0, f"{command}\n{output}"
    return output


def run_commands(name: str, shell: Shell) -> None:
    """Run every command of a page, as its scene says."""
    scene = SCENES[name]
    for command in to_run(REPOSITORY / name):
        preparation = scene.preparation(command)
        if preparation:
            done(shell, preparation)
        if command.text.startswith(scene.fails or ("\0",)):
            status, _ = shell.run(scene.typed(command), may_fail=True)
            assert status != 0, command.text
        else:
            done(shell, scene.typed(command))
    if scene.after:
        done(shell, scene.after)


def documented(page: str, start: str) -> str:
    """Return the command of a page's sentence that begins so."""
    [found] = [one.text for one in inline_commands(REPOSITORY / page) if one.text.startswith(start)]
    return found
