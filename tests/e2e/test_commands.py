"""Every command of README, CONTRIBUTING and docs, from their text, in a shell on a local cloud."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from local_core.run.shared_cloud import SharedCloud
from tests.docs.commands import commands, name_of, pages
from tests.e2e import assembly
from tests.e2e.checkout import Shell, needs_installed
from tests.e2e.page_commands import CERTIFICATE, NOT_RUN, OF_DEVICES, SCENES, to_run
from tests.e2e.page_shell import REGION, documented, done, run_commands

PAGES = [page for page in pages() if commands(page) and page.name != "guide.md"]
UNFINISHED = re.compile(r"…|<[^>]*>|=$")


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
@pytest.mark.parametrize("name", [name for name in SCENES if name not in OF_DEVICES])
def test_commands_of_a_page_work(name: str, page_shell: Shell) -> None:
    run_commands(name, page_shell)


@needs_installed
@pytest.mark.e2e
@pytest.mark.slow
def test_core_with_a_simulator_is_two_stacks_beside_another_core(
    page_shell: Shell, page_cloud: SharedCloud
) -> None:
    context = "-c certificateId=$CERTIFICATE -c modelS3Uri=s3://my-models/model.tar.gz -c coreName="
    other = page_cloud.cloud.client("iot").create_keys_and_certificate(setAsActive=True)
    model = {"certificateId": other["certificateId"], "modelS3Uri": "s3://my-models/model.tar.gz"}
    assembly.deploy(page_cloud, {"coreName": "Other", **model})
    before = components(page_cloud)
    both = documented("README.md", "npx cdk deploy --all -c simulator=true")
    simulated = f"{context}Simulated -c simulator=true"
    done(page_shell, CERTIFICATE)
    done(page_shell, both.replace("-c …", f"{context}Simulated"))
    names = {"DlrInference-Other", "DlrInference-Simulated", "DlrInference-Simulated-Simulator"}
    assert {stacks(page_cloud).get(name) for name in names} == {"CREATE_COMPLETE"}
    destroy = documented("docs/resources.md", "npx cdk destroy --all")
    done(page_shell, destroy.replace("-c …", f"--force {simulated}"))
    assert set(stacks(page_cloud)) & names == {"DlrInference-Other"}
    assert before <= components(page_cloud)


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
