"""The parts of ``fleet``: the list, the journal, the outputs of the stack."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from mli.device.certificates.keyfiles import load_request
from mli.device.stacks.fleet import FleetStack
from mli.errors import MliError
from mli.fleet.core_list import read_list
from mli.fleet.journal import Journal
from stacks.core.iot_policies import MAX_POLICY_CHARACTERS
from stacks.names import published_topics
from tests.disks import disk
from tests.stacks.configurations import template
from tests.stacks.synthesis import all_of, resolved


def test_journal_of_another_fleet_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    with Journal(file, {"group": "a", "place": "us-east-1:1"}) as journal:
        journal.begin()
    with pytest.raises(MliError, match="place was us-east-1:1, now eu-west-1:1"):
        Journal(file, {"group": "a", "place": "eu-west-1:1"})


def test_dry_run_reads_a_journal_that_is_being_written(tmp_path: Path) -> None:
    file, fleet = tmp_path / "journal.jsonl", {"fleet": "a", "place": "us-east-1:1"}
    with Journal(file, fleet) as journal:
        journal.note("press-1", "done")
    with file.open("ab") as opened:
        opened.write(b'{"core": "press-2", "st')  # another process is at this line
    content = file.read_bytes()
    with Journal(file, fleet, dry_run=True) as journal:
        assert journal.cores() == ["press-1"]
        journal.note("press-3", "done")
    assert file.read_bytes() == content


def test_journal_begins_with_the_first_step(tmp_path: Path) -> None:
    file, fleet = tmp_path / "fleet" / "journal.jsonl", {"fleet": "a", "place": "us-east-1:1"}
    with Journal(file, fleet) as journal:
        assert journal.get("press-1", "done") is None
        assert not file.parent.exists()
        journal.note("press-1", "done")
        assert (file.parent / ".gitignore").read_text() == "*\n"
    with Journal(file, fleet) as journal:
        assert journal.cores() == ["press-1"]


def test_second_command_at_the_same_time_is_refused(tmp_path: Path) -> None:
    file, fleet = tmp_path / "journal.jsonl", {"fleet": "a", "place": "us-east-1:1"}
    with Journal(file, fleet) as first, Journal(file, fleet) as second:
        first.note("press-1", "done")
        with pytest.raises(MliError, match=r"at work with .*journal\.jsonl: repeat this one"):
            second.note("press-1", "done")
        with pytest.raises(MliError, match="at work with"):
            Journal(file, fleet)
        assert Journal(file, fleet, dry_run=True).cores() == ["press-1"]
    with Journal(file, fleet) as third:
        assert third.cores() == ["press-1"]


def test_command_that_has_not_seen_the_steps_of_another_is_refused(tmp_path: Path) -> None:
    file, fleet = tmp_path / "journal.jsonl", {"fleet": "a", "place": "us-east-1:1"}
    with Journal(file, fleet) as second:
        with Journal(file, fleet) as first:
            first.note("press-1", "done")
        for core in ("press-1", "press-2"):
            with pytest.raises(MliError, match="another command has begun"):
                second.note(core, "done")
    with Journal(file, fleet) as journal:
        assert journal.cores() == ["press-1"]


def test_line_that_does_not_fit_on_the_disk_leaves_no_half(tmp_path: Path) -> None:
    fleet = {"fleet": "a", "place": "us-east-1:1"}
    with disk(tmp_path, "2M") as full:
        file = full.folder / "journal.jsonl"
        with Journal(file, fleet) as journal:
            journal.note("press-1", "done")
            with full.filled(but=4_096), pytest.raises(OSError, match="No space left"):
                journal.note("press-2", "done", "x" * 8_192)  # its first page fits
            journal.note("press-3", "done")
        with Journal(file, fleet) as journal:
            assert journal.cores() == ["press-1", "press-3"]


def test_list_is_checked_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "cores.csv"
    file.write_text("coreName,certificateSigningRequest\nok,\n../x,\nOK,\nb,missing.csr\n")
    with pytest.raises(MliError) as refused:
        read_list(file)
    said = str(refused.value)
    assert "line 3: coreName='../x' must be" in said
    assert "line 4: coreName='OK' is already in line 2" in said
    assert "line 5: certificateSigningRequest='missing.csr': No such file" in said


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("c.csv", "core\na\n", "line 1: unknown column 'core'; did you mean coreName?"),
        ("c.csv", "coreName;attribute.hall\na;x\n", "line 1: there is no column coreName: .*comma"),
        ("c.csv", "coreName,atribute.hall\na,\n", "'atribute.hall'; did you mean attribute.hall?"),
        ("c.csv", "coreName,coreName\na,b\n", "line 1: there are 2 columns coreName"),
        ("c.csv", "coreName,attribute.x,attribute.x\na,b,c\n", "there are 2 columns attribute.x"),
        ("c.csv", "coreName,\na,x\n", "line 2: ''='x': unknown key"),
        ("c.yaml", "- corename: a\n", "core 1: corename='a': unknown key; did you mean coreName?"),
        ("c.csv", "coreName\n", "no cores"),
        ("c.csv", "coreName\na,b\n", "more values than line 1"),
        ("c.yaml", "- coreName: a\n  attributes: hall\n", "attributes is not an object"),
        ("c.csv", "coreName,attribute.x\na,ä ö\n", "only letters"),
        ("c.yaml", "cores: 3\n", "not a list of cores"),
        ("c.yaml", "- [a]\n", "neither a name nor an object"),
        ("c.yaml", "{", "is not YAML"),
        (
            "c.yaml",
            "cores:\n- coreName: a\n  attributes: {hall: x}\n  coreName: b\n",
            "line 4 has the key 'coreName' again, which line 2 has already: remove one of them",
        ),
        ("c.yaml", "- attributes:\n    hall: x\n    hall: y\n", "line 3 has the key 'hall' again"),
        ("c.yaml", "cores: [a]\ncores: [b]\n", "line 2 has the key 'cores' again"),
        (
            "c.yaml",
            "- {coreName: a, attribute.hall: x, attributes: {hall: y}}\n",
            "core 1: attribute.hall is also in attributes: remove one of them",
        ),
    ],
)
def test_list_that_cannot_be_read(tmp_path: Path, name: str, text: str, fault: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(MliError, match=fault):
        read_list(tmp_path / name)


def test_list_of_a_spreadsheet_is_read(tmp_path: Path) -> None:
    """With a mark of the order of bytes, line ends of Windows, and lines of commas."""
    (tmp_path / "c.csv").write_bytes(
        "\ufeff\r\ncoreName , attribute.hall,\r\na,north,\r\n,,\r\n\r\nb, ,\r\n , ,\r\n".encode()
    )
    first, second = read_list(tmp_path / "c.csv")
    assert (first.name, first.attributes) == ("a", {"hall": "north"})
    assert (second.name, second.attributes) == ("b", {})


def test_misspelt_column_is_named_once(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("corename\n" + "".join(f"p-{n}\n" for n in range(500)))
    with pytest.raises(MliError) as refused:
        read_list(tmp_path / "c.csv")
    said = str(refused.value)
    assert said.count("did you mean coreName?") == 1
    assert "line 2" not in said


def test_faults_of_all_kinds_are_reported_in_one_run(tmp_path: Path) -> None:
    (tmp_path / "weak.csr").write_bytes(_request(rsa.generate_private_key(65537, 1024)))
    (tmp_path / "c.csv").write_text(
        "coreName,certificateSigningRequest,color\na,,,extra\n../x,,\na,weak.csr,\nDemo,,red\n"
    )
    with pytest.raises(MliError) as refused:
        read_list(tmp_path / "c.csv")
    for fault in (
        "line 2: has more values than line 1",
        "line 3: coreName='../x' must be",
        "line 4: certificateSigningRequest='weak.csr': the key of",
        "line 4: coreName='a' is already in line 2",
        "line 1: unknown column 'color'",
    ):
        assert fault in str(refused.value)
    (tmp_path / "c.yaml").write_text("- [a]\n- coreName: b\n  attributes: {x: ä ö}\n- ../x\n")
    with pytest.raises(MliError) as refused:
        read_list(tmp_path / "c.yaml")
    for fault in ("core 1: is neither a name", "core 2: attribute.x='ä ö'", "core 3: coreName="):
        assert fault in str(refused.value)


def test_key_of_two_cores_is_refused(tmp_path: Path) -> None:
    (tmp_path / "one.csr").write_bytes(_request(ec.generate_private_key(ec.SECP256R1())))
    (tmp_path / "c.csv").write_text("coreName,certificateSigningRequest\na,one.csr\nb,one.csr\n")
    with pytest.raises(MliError, match=r"line 3: .* is for the key of line 2"):
        read_list(tmp_path / "c.csv")


@pytest.mark.parametrize(
    ("generated", "kind"),
    [
        (ed25519.Ed25519PrivateKey.generate, "Ed25519"),
        (lambda: rsa.generate_private_key(65537, 1024), "RSA with 1024 bits"),
        (lambda: ec.generate_private_key(ec.SECP256K1()), "EC on the curve secp256k1"),
        (lambda: rsa.generate_private_key(65537, 2048), None),
        (lambda: rsa.generate_private_key(65537, 3072), None),
        (lambda: ec.generate_private_key(ec.SECP256R1()), None),
        (lambda: ec.generate_private_key(ec.SECP384R1()), None),
        (lambda: ec.generate_private_key(ec.SECP521R1()), None),
    ],
)
def test_request_is_for_a_key_that_aws_iot_takes(
    generated: Callable[[], Any], kind: str | None
) -> None:
    key = generated()
    if kind is None:
        load_request(_request(key), "x.csr")
        return
    with pytest.raises(MliError, match=rf"the key of x.csr is {kind}, which AWS IoT does not take"):
        load_request(_request(key), "x.csr")


def _request(key: Any) -> bytes:
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return request.sign(key, digest).public_bytes(serialization.Encoding.PEM)


def test_yaml_may_merge_what_cores_share(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(
        "- &first {coreName: a, attributes: {hall: n}}\n- &second {<<: *first, coreName: b}\n"
        "- {<<: *second, coreName: c}\n"
    )
    found = read_list(tmp_path / "c.yaml")
    assert [(one.name, one.attributes) for one in found] == [(n, {"hall": "n"}) for n in "abc"]


def test_yaml_may_be_names_alone(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("- a\n- coreName: b\n  attributes: {hall: 7}\n")
    first, second = read_list(tmp_path / "c.yaml")
    assert (first.name, second.name, second.attributes) == ("a", "b", {"hall": "7"})


def test_yaml_is_read_as_it_is_written(tmp_path: Path) -> None:
    """As CSV is: YAML would make 83, 1000, 1.1 and True of these."""
    (tmp_path / "c.yaml").write_text(
        "- 0123\n- coreName: 1_000\n  certificateSigningRequest: null\n"
        "  attributes: {serial: 00123, version: 1.10, hall: on}\n"
    )
    first, second = read_list(tmp_path / "c.yaml")
    assert (first.name, second.name, second.request) == ("0123", "1_000", None)
    assert second.attributes == {"serial": "00123", "version": "1.10", "hall": "on"}


def test_fleet_s_outputs_name_one_core_and_nothing_of_another() -> None:
    """With the outputs of the real stack."""
    outputs = {
        name: resolved(output["Value"])
        for name, output in template("v2-fleet", "DlrInferenceFleet-shop-floor")["Outputs"].items()
    }
    fleet = FleetStack("shop-floor", "ap-southeast-2", outputs)
    policies = fleet.policies_of("press-1")
    assert policies.keys() == {"press-1_CorePolicy", "press-1_PublishPolicy"}
    assert json.loads(policies["press-1_PublishPolicy"])["Statement"][0]["Resource"] == [
        f"arn:aws:iot:ap-southeast-2:123456789012:topic/{topic}"
        for topic in published_topics("press-1")
    ]
    configuration = fleet.configuration_of("press-1")
    for nucleus in ("classic", "lite"):
        assert configuration[nucleus]["system"]["thingName"] == "press-1_Core"
    assert fleet.outputs_of("press-1")["PredictionTopic"] == "mli/predictions/press-1"
    everything = json.dumps([policies, configuration, dict(fleet.outputs_of("press-1"))])
    assert "<coreName>" not in everything


def test_policies_are_those_of_a_core_with_a_stack_of_its_own() -> None:
    outputs = template("v2-fleet", "DlrInferenceFleet-shop-floor")["Outputs"]
    fleet = FleetStack("f", "r", {"CorePolicies": resolved(outputs["CorePolicies"]["Value"])})
    own = {
        policy["PolicyName"]: resolved(policy["PolicyDocument"])
        for policy in all_of(template("v2"), "AWS::IoT::Policy")
    }
    of_fleet = {name: json.loads(text) for name, text in fleet.policies_of("Demo").items()}
    assert of_fleet == own


def test_policies_of_the_longest_names_fit_in_aws_iot_and_in_an_output() -> None:
    outputs = template("v2-fleet", "DlrInferenceFleet-shop-floor")["Outputs"]
    policies = resolved(outputs["CorePolicies"]["Value"])
    assert len(policies) < 4_096
    fleet = FleetStack("f" * 64, "r", {"CorePolicies": policies})
    for document in fleet.policies_of("n" * 64).values():
        compact = json.dumps(json.loads(document), separators=(",", ":"))
        assert len(compact) <= MAX_POLICY_CHARACTERS
