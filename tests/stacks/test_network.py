"""Port and proxy of a core: the keys, and the configuration that every set-up file has."""

import json
from pathlib import Path
from typing import Any

import pytest

from mli.device.generations.layout import Nucleus
from mli.device.generations.v2.layout import v2_layout
from mli.device.stacks.fleet import FleetStack
from mli.fleet.claims.layout import PLUGIN, claim_layout
from stacks.core.nucleus_configuration import Network, NucleusConfiguration
from tests.stacks.synthesis import resolved, template_of
from tests.stacks.test_context_keys import rule_of, settings

PROXY = "http://proxy.example.com:3128"
BOTH = Network(443, PROXY)


def configurations(network: Network) -> dict[str, Any]:
    """The output GreengrassConfig of a fleet."""
    made = NucleusConfiguration(
        "<coreName>_Core", "Alias", "eu-west-1", "data.aws", "credentials.aws", network
    )
    return {"classic": made.classic(), "lite": made.lite()}


def fleet(network: Network) -> FleetStack:
    outputs = {
        "GreengrassConfig": json.dumps(configurations(network)),
        "ProvisioningTemplate": "shop-floor",
    }
    return FleetStack("shop-floor", "eu-west-1", outputs)


def test_keys_are_in_the_output_of_the_stack(tmp_path: Path) -> None:
    template = template_of(tmp_path, mqttPort="443", networkProxy=PROXY)
    found = json.loads(resolved(template["Outputs"]["GreengrassConfig"]["Value"]))
    nucleus = found["classic"]["services"]["aws.greengrass.Nucleus"]["configuration"]
    assert nucleus["mqtt"] == {"port": 443}
    assert nucleus["greengrassDataPlanePort"] == 443
    assert nucleus["networkProxy"] == {"proxy": {"url": PROXY}}
    nucleus = found["lite"]["services"]["aws.greengrass.NucleusLite"]["configuration"]
    assert nucleus["networkProxy"] == {"proxy": {"url": PROXY}}
    assert nucleus["greengrassDataPlanePort"] == "8443"
    assert "mqtt" not in nucleus


def test_defaults_say_nothing(tmp_path: Path) -> None:
    found = json.dumps(configurations(Network()))
    assert "mqtt" not in found
    assert "networkProxy" not in found
    assert settings(tmp_path).mqtt_port == 8883


@pytest.mark.parametrize("value", ["8883", "443", 443])
def test_port_is_one_of_aws_iot(tmp_path: Path, value: object) -> None:
    assert settings(tmp_path, mqttPort=value).mqtt_port == int(str(value))


@pytest.mark.parametrize("value", ["1883", "80", "", "443 ", True])
def test_other_port_is_refused(tmp_path: Path, value: object) -> None:
    assert "8883" in rule_of(tmp_path, "mqttPort", mqttPort=value)


@pytest.mark.parametrize(
    "value",
    [PROXY, "https://proxy:8443", "http://10.0.0.1", "http://[::1]:3128", "http://a.b:65535"],
)
def test_proxy_has_a_host_and_perhaps_a_port(tmp_path: Path, value: str) -> None:
    assert settings(tmp_path, networkProxy=value).network_proxy == value


@pytest.mark.parametrize(
    "value",
    ["proxy:3128", "socks5://proxy:1080", "http://", "http://proxy:0", "http://proxy:65536",
     "http://proxy/path", "http://proxy:3128/", "http://-proxy", "http://a b", "http://proxy\n", 1],
)  # fmt: skip
def test_other_proxy_is_refused(tmp_path: Path, value: object) -> None:
    rule = rule_of(tmp_path, "networkProxy", networkProxy=value)
    assert rule == "must be http://HOST:PORT or https://HOST:PORT"


def test_password_of_a_proxy_is_refused(tmp_path: Path) -> None:
    rule = rule_of(tmp_path, "networkProxy", networkProxy="http://user:secret@proxy:3128")
    assert "must have no user and password" in rule


def test_claim_for_the_classic_nucleus_reaches_aws_in_the_same_way() -> None:
    services = claim_layout(fleet(BOTH), "classic").configuration["services"]
    plugin = services[PLUGIN]["configuration"]
    assert (plugin["mqttPort"], plugin["proxyUrl"]) == (443, PROXY)
    assert services["aws.greengrass.Nucleus"]["configuration"] == {
        "mqtt": {"port": 443},
        "greengrassDataPlanePort": 443,
        "networkProxy": {"proxy": {"url": PROXY}},
    }


def test_claim_for_nucleus_lite_has_the_proxy() -> None:
    services = claim_layout(fleet(BOTH), "lite").configuration["services"]
    nucleus = services["aws.greengrass.NucleusLite"]["configuration"]
    assert nucleus["networkProxy"] == {"proxy": {"url": PROXY}}


def test_claim_without_the_keys_has_neither() -> None:
    found = json.dumps(claim_layout(fleet(Network()), "classic").configuration)
    assert "mqttPort" not in found
    assert "proxy" not in found


@pytest.mark.parametrize(
    ("network", "nucleus", "said"),
    [
        (BOTH, "classic", []),
        (Network(), "lite", []),
        (Network(443), "lite", ["mqttPort=443 has no effect"]),
        (Network(proxy=PROXY), "lite", ["nucleus lite 2.1.0"]),
        (Network(proxy="https://proxy:8443"), "lite", ["nucleus lite 2.3.0"]),
    ],
)
def test_what_nucleus_lite_cannot_do_is_said(
    network: Network, nucleus: Nucleus, said: list[str]
) -> None:
    layouts = (
        v2_layout(configurations(network), nucleus),
        claim_layout(fleet(network), nucleus),
    )
    for layout in layouts:
        assert len(layout.notes) == len(said)
        assert all(text in note for text, note in zip(said, layout.notes, strict=True))
