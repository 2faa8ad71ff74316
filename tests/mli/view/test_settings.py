"""Threshold and strategies on the page, with the cloud's API behind it."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inference.settings import InferenceSettings
from local_core.cloud import LocalCloud
from mli.view.controls import NO_CREDENTIALS, Controls
from mli.view.server import Server
from tests.mli.deployed_fleet import DeployedFleet
from tests.mli.support import DeployedCore
from tests.mli.view.axe import grave_violations
from tests.mli.view.conftest import CUP, Viewed
from tests.mli.view.opened_page import open_page
from tests.mli.view.test_controls import CONFIGURED, deploy, merged

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    """A running cloud."""
    with LocalCloud() as running:
        yield running


@pytest.fixture
def core(cloud: LocalCloud) -> DeployedCore:
    made = DeployedCore.deployed(cloud, generation=2)
    deploy(cloud, made.thing_arn, made.component, coreName=made.name, **CONFIGURED)
    return made


@pytest.fixture
def controlled(cloud: LocalCloud, photographs: Path) -> Iterator[Viewed]:
    """A page whose settings are those of the cloud's deployments."""
    made = Viewed(photographs)
    controls = Controls(functools.cache(cloud.client), made.board.use_configurations)
    made.server = Server(made.board, made.pictures, controls)
    with made.server:
        yield made


def report(viewed: Viewed, name: str, digest: str = "") -> None:
    """Send telemetry of a core with the digest of the settings that it uses."""
    payload = json.dumps({"health": {"status": "ok"}, "configuration": digest})
    viewed.board.receive(f"mli/telemetry/{name}", payload.encode())


def slide(page: Any, value: float) -> None:
    page.locator("#threshold").fill(str(value))


def said(page: Any, text: str) -> None:
    page.locator("#settings-state", has_text=text).wait_for()


def test_slider_and_switches_change_the_deployment(
    page: Any, controlled: Viewed, cloud: LocalCloud, core: DeployedCore
) -> None:
    report(controlled, core.name)
    open_page(page, controlled)
    said(page, f"These are the settings of the core {core.name}.")
    assert page.locator("#threshold-text").inner_text() == "the profile's"
    assert page.locator("#apply").is_disabled()
    assert grave_violations(page) == []
    slide(page, 0.35)
    page.get_by_role("switch", name="Entropy: entropy > 1").uncheck()
    assert page.locator("#threshold-text").inner_text() == "0.35"
    said(page, "Not applied yet.")
    page.wait_for_timeout(600)  # two states later the draft is still there
    assert page.locator("#threshold-text").inner_text() == "0.35"
    page.evaluate(
        "() => { window.said = []; const line = document.getElementById('settings-state');"
        " new MutationObserver(() => said.push(line.textContent)).observe(line,"
        " {childList: true, characterData: true, subtree: true}); }"
    )
    page.locator("#apply").click()
    said(page, "Changing: waiting for the core")
    assert all(text.startswith("Changing:") for text in page.evaluate("() => window.said"))
    merge = merged(cloud, core.thing_arn, core.component)
    assert merge["confidenceThreshold"] == 0.35
    assert "Entropy" not in merge["feedbackConfiguration"]
    report(controlled, core.name, InferenceSettings.from_configuration(merge).digest())
    said(page, "Applied: in use")
    assert page.locator("#threshold").input_value() == "0.35"
    assert page.get_by_role("switch", checked=True).count() == 2


def test_a_fleet_is_changed_only_after_a_question(
    page: Any, controlled: Viewed, cloud: LocalCloud
) -> None:
    fleet = DeployedFleet.deployed(cloud)
    for name in (one := f"{fleet.name}-a", f"{fleet.name}-b"):
        fleet.add(name)
    deploy(cloud, fleet.group_arn, fleet.component, coreName="*", **CONFIGURED)
    report(controlled, one)
    open_page(page, controlled)
    said(page, f"These are the settings of 2 cores of the fleet {fleet.name}.")
    for answer in ("Cancel", "Deploy"):
        slide(page, 0.6)
        page.locator("#apply").click()
        page.get_by_role("dialog", name=f"2 cores of the fleet {fleet.name}?").wait_for()
        assert grave_violations(page) == []
        assert "confidenceThreshold" not in merged(cloud, fleet.group_arn, fleet.component)
        page.get_by_role("button", name=answer).click()
        said(page, "Not applied yet." if answer == "Cancel" else "Changing: waiting for")
    assert merged(cloud, fleet.group_arn, fleet.component)["confidenceThreshold"] == 0.6


def test_a_deployment_while_the_question_is_open_is_not_overwritten(
    page: Any, controlled: Viewed, cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mli.view.controls._LOOK_AGAIN_SECONDS", 0.1)
    fleet = DeployedFleet.deployed(cloud)
    for name in (one := f"{fleet.name}-a", f"{fleet.name}-b"):
        fleet.add(name)
    deploy(cloud, fleet.group_arn, fleet.component, coreName="*", **CONFIGURED)
    report(controlled, one)
    open_page(page, controlled)
    said(page, "These are the settings")
    slide(page, 0.6)
    page.locator("#apply").click()
    page.get_by_role("dialog").wait_for()
    deploy(cloud, fleet.group_arn, fleet.component, coreName="*", topK=1, **CONFIGURED)
    report(controlled, one, "another digest")
    said(page, "The deployment has changed meanwhile")
    page.get_by_role("button", name="Deploy").click()
    page.wait_for_timeout(1000)  # for the deployment that must not be made
    merge = merged(cloud, fleet.group_arn, fleet.component)
    assert (merge["topK"], merge.get("confidenceThreshold")) == (1, None)
    said(page, "The deployment has changed meanwhile")


def test_a_change_that_fails_is_shown_and_keeps_the_draft(
    page: Any, controlled: Viewed, cloud: LocalCloud, core: DeployedCore
) -> None:
    report(controlled, core.name)
    open_page(page, controlled)
    said(page, "These are the settings")
    slide(page, 0.35)
    deploy(cloud, core.thing_arn, core.component, coreName=core.name, topK=1, **CONFIGURED)
    page.locator("#apply").click()
    said(page, "Not changed: someone has deployed meanwhile")
    assert page.locator("#threshold-text").inner_text() == "0.35"
    page.wait_for_timeout(600)  # until the page has the other deployment
    page.locator("#discard").click()
    said(page, "These are the settings")
    slide(page, 0.45)
    page.locator("#apply").click()
    said(page, "Changing: waiting for the core")
    core.report("FAILED", "<b>no disk space</b>")
    said(page, "Failed: FAILED: <b>no disk space</b>")


def test_without_credentials_the_settings_say_why(page: Any, viewed: Viewed) -> None:
    viewed.predict(1, CUP)
    open_page(page, viewed)
    said(page, NO_CREDENTIALS)
    assert page.locator("#threshold").is_disabled()


class Known(Controls):
    """Settings of any core, without a cloud."""

    def state(self, core_name: str, reported: str | None) -> dict[str, Any]:
        return {
            "reason": None, "base": core_name, "threshold": 0.5, "strategies": [],
            "whom": f"the core {core_name}", "confirm": False, "digest": "", "change": None,
        }  # fmt: skip


@pytest.fixture
def known(photographs: Path) -> Iterator[Viewed]:
    """A page of two cores, A and B."""
    made = Viewed(photographs)
    made.server = Server(made.board, made.pictures, Known(None))
    with made.server:
        report(made, "A")
        report(made, "B")
        yield made


class Finer(Known):
    """Settings with a threshold between two steps of the slider."""

    def __init__(self) -> None:
        super().__init__(None)
        self.applied: list[tuple[Any, Any]] = []

    def state(self, core_name: str, reported: str | None) -> dict[str, Any]:
        switch = {"id": "LC50", "text": "LC50", "on": True}
        return {**super().state(core_name, reported), "threshold": 0.355, "strategies": [switch]}

    def apply(self, core_name: str, base: str, threshold: Any, on: Any) -> None:
        self.applied.append((threshold, on))


def test_a_threshold_that_is_not_touched_stays_what_it_is(page: Any, photographs: Path) -> None:
    made, controls = Viewed(photographs), Finer()
    made.server = Server(made.board, made.pictures, controls)
    with made.server:
        report(made, "A")
        open_page(page, made)
        said(page, "the settings of the core A")
        assert page.locator("#threshold-text").inner_text() == "0.355"
        slider = page.locator("#settings").aria_snapshot()
        assert '- slider "Confidence threshold"' in slider
        page.get_by_role("switch", name="LC50").uncheck()
        page.locator("#apply").click()
        said(page, "the settings of the core A")
    assert controls.applied == [(0.355, [])]


def test_what_one_core_refused_is_not_said_of_another(page: Any, known: Viewed) -> None:
    page.route("**/settings", lambda route: route.fulfill(status=409, body="out of reach"))
    open_page(page, known)
    said(page, "the settings of the core A")
    slide(page, 0.7)
    page.locator("#apply").click()
    said(page, "Not changed: out of reach")
    page.locator("#cores").select_option("B")
    said(page, "the settings of the core B")


def test_a_draft_outlives_an_interruption(page: Any, known: Viewed) -> None:
    opened: list[Any] = []

    def pass_on(route: Any) -> None:
        route.connect_to_server()
        opened.append(route)

    page.route_web_socket(re.compile("/live"), pass_on)
    open_page(page, known)
    said(page, "the settings of the core A")
    page.locator("#cores").select_option("B")
    said(page, "the settings of the core B")
    slide(page, 0.7)
    opened[0].close()
    said(page, "Disconnected")
    said(page, "Not applied yet.")
    page.wait_for_timeout(600)
    assert page.locator("#threshold-text").inner_text() == "0.70"
    assert page.locator("#cores").input_value() == "B"


def test_an_answer_that_comes_after_another_core_was_chosen(page: Any, known: Viewed) -> None:
    held: list[Any] = []
    page.route("**/settings", lambda route: held.append(route))
    open_page(page, known)
    said(page, "the settings of the core A")
    slide(page, 0.7)
    page.locator("#apply").click()
    page.wait_for_timeout(600)  # a state meanwhile
    assert page.locator("#threshold").is_disabled(), "what is edited now would be lost"
    page.locator("#cores").select_option("B")
    page.wait_for_timeout(600)
    held[0].fulfill(status=409, body="out of reach")
    said(page, "the settings of the core B")
    page.locator("#fields:not([disabled])").wait_for()
    assert page.locator("#threshold").input_value() == "0.5"
