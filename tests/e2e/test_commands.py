"""Every command of README, CONTRIBUTING and docs, from their text, in a shell on a local cloud.

The cloud is in another Region than the one of ``test_guide``, and the shell names that Region as
the CDK's users do, by AWS_REGION alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_core.output.progress import Progress
from local_core.processes.environments import write_shell_file
from local_core.processes.interrupts import Interrupts
from local_core.run.shared_cloud import SharedCloud, model_archive
from models import store
from tests.conftest import REPOSITORY
from tests.docs.commands import commands, inline_commands, name_of, pages
from tests.e2e.checkout import Shell, checkout, needs_installed
from tests.e2e.page_commands import CERTIFICATE, MODELS, NOT_RUN, PROFILE, SCENES, to_run

AWS = REPOSITORY / "tests" / "docs" / "aws_stand_in.py"
REGION = "eu-west-1"
PAGES = [page for page in pages() if commands(page) and page.name != "guide.md"]
UNFINISHED = re.compile(r"…|<[^>]*>|=$")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedCloud]:
    """A cloud with models and a bucket for samples, and nothing else."""
    state = tmp_path_factory.mktemp("cloud")
    with SharedCloud(state, Progress(), Interrupts(), region=REGION) as made:
        archive = model_archive(store.unpacked(PROFILE))
        for bucket in MODELS:
            made.deployer().upload_model(archive, bucket=bucket, key="model.tar.gz")
        made.cloud.create_bucket("hall-samples")
        yield made


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with checkout(tmp_path_factory.mktemp("copy") / "checkout") as made:
        yield made


@pytest.fixture(scope="module")
def bootstrapped(shared: SharedCloud, copy: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What `npx cdk bootstrap` printed, as README writes it."""
    command = documented("README.md", "npx cdk bootstrap")
    where = f"{shared.cloud.account}/{REGION}"
    with started(shared, copy, tmp_path_factory.mktemp("bootstrap") / "log") as shell:
        return done(shell, command.replace("ACCOUNT/REGION", where))


@pytest.fixture
def shell(shared: SharedCloud, copy: Path, bootstrapped: str, tmp_path: Path) -> Iterator[Shell]:
    with started(shared, copy, tmp_path / "shell.log") as made:
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


def test_each_page_with_commands_has_its_scene() -> None:
    assert {command.page for page in PAGES for command in to_run(page)} == set(SCENES)


def test_nothing_is_left_out_that_is_not_in_the_pages() -> None:
    texts = [command.text for page in PAGES for command in commands(page)]
    assert [one for one in NOT_RUN if not any(text.startswith(one) for text in texts)] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_all_that_the_reader_fills_in_is_filled_in(page: Path) -> None:
    for command in to_run(page):
        typed = SCENES[command.page].typed(command)
        assert not UNFINISHED.search(typed), typed


@needs_installed
@pytest.mark.e2e
@pytest.mark.slow
def test_bootstrap_needs_no_core_to_be_named(bootstrapped: str) -> None:
    assert f"Environment aws://000000000000/{REGION} bootstrapped" in bootstrapped


@needs_installed
@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.parametrize("name", SCENES)
def test_commands_of_a_page_work(name: str, shell: Shell) -> None:
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


@needs_installed
@pytest.mark.e2e
@pytest.mark.slow
def test_core_with_a_simulator_is_two_stacks_beside_another_core(
    shell: Shell, shared: SharedCloud
) -> None:
    context = "-c certificateId=$CERTIFICATE -c modelS3Uri=s3://my-models/model.tar.gz -c coreName="
    done(shell, CERTIFICATE)
    done(shell, f"npx cdk deploy {context}Other")
    before = components(shared)
    both = documented("README.md", "npx cdk deploy --all -c simulator=true")
    simulated = f"{context}Simulated -c simulator=true"
    done(shell, CERTIFICATE)
    done(shell, both.replace("-c …", f"{context}Simulated"))
    names = {"DlrInference-Other", "DlrInference-Simulated", "DlrInference-Simulated-Simulator"}
    assert {stacks(shared).get(name) for name in names} == {"CREATE_COMPLETE"}
    destroy = documented("docs/resources.md", "npx cdk destroy --all")
    done(shell, destroy.replace("-c …", f"--force {simulated}"))
    assert set(stacks(shared)) & names == {"DlrInference-Other"}
    assert before <= components(shared)


def documented(page: str, start: str) -> str:
    """Return the command of a page's sentence that begins so."""
    [found] = [one.text for one in inline_commands(REPOSITORY / page) if one.text.startswith(start)]
    return found


def stacks(shared: SharedCloud) -> dict[str, str]:
    """Return the state of every stack that is not deleted, by its name."""
    found = shared.cloud.client("cloudformation").describe_stacks()["Stacks"]
    return {
        stack["StackName"]: stack["StackStatus"]
        for stack in found
        if stack["StackStatus"] != "DELETE_COMPLETE"
    }


def components(shared: SharedCloud) -> set[str]:
    """Return the ARNs of all components."""
    found = shared.cloud.client("greengrassv2").list_components()["components"]
    return {component["arn"] for component in found}
