"""``mli fleet add`` after faults midway, and after what else was left half done."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from local_core.cloud import LocalCloud
from mli.cli.output import Output
from mli.device.certificates import keyfiles
from mli.fleet.core_list import FleetCore
from mli.fleet.work import Result, for_all
from stacks import names
from tests.disks import disk
from tests.mli.deployed_fleet import DeployedFleet, listed
from tests.mli.fleet.faults import faulty
from tests.mli.support import Commands, refusal


@pytest.mark.parametrize(
    "event", ["iot.CreateThing", "iot.UpdateCertificate", "iot.AttachPolicy",
              "iot.CreateKeysAndCertificate", "iot.AddThingToThingGroup"]
)  # fmt: skip
def test_session_that_expires_midway_is_gone_on_from(
    commands: Commands,
    fleet: DeployedFleet,
    cores: list[str],
    event: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments = ("fleet", listed(cores), "--fleet", fleet.name)
    expired = refusal("ExpiredTokenException", "The security token is expired", 403)
    with monkeypatch.context() as broken:
        faulty(broken, event, expired, after=1)
        said = commands.json(*arguments, "--workers", "1", code=1)
    assert len(said["done"]) + len(said["failed"]) + len(said["notBegun"]) == len(cores)
    assert len(said["failed"]) == 1
    [reason] = said["failed"].values()
    assert "session has expired" in reason
    before = _certificates(fleet.cloud)
    again = commands.json(*arguments)
    assert sorted(again["done"]) == cores
    noted = {n for n, i in again["done"].items() if i in before}
    assert set(said["done"]) <= noted
    # What had a certificate before has the same one now: none is made twice.
    assert len(_certificates(fleet.cloud)) - len(before) == len(cores) - len(noted)


def test_faults_of_one_core_do_not_stop_the_others(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    iot = fleet.cloud.client("iot")
    iot.create_thing(thingName=names.thing_name(cores[1]))  # with other attributes
    arguments = ("fleet", listed(cores), "--fleet", fleet.name)
    said = commands.result(*arguments, code=1).stdout
    assert "2 of 3 cores done, 1 failed, 0 not begun" in said
    assert (
        f"{cores[1]}: there is a thing {names.thing_name(cores[1])} with other attributes" in said
    )
    assert "the same command, which continues from here" in said
    payload = {"attributes": {"hall": "north"}}
    iot.update_thing(thingName=names.thing_name(cores[1]), attributePayload=payload)
    assert sorted(commands.json(*arguments)["done"]) == cores


def test_certificate_whose_note_was_lost_is_taken_over(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    arguments = ("fleet", listed(cores), "--fleet", fleet.name)
    first = commands.json(*arguments)
    journal = Path("fleet") / fleet.name / "journal.jsonl"
    head = journal.read_text().splitlines()[0]
    journal.write_text(head + '\n{"core": "half a li')
    assert commands.json(*arguments)["done"] == first["done"]


def test_full_disk_leaves_no_certificate_whose_key_is_lost(
    commands: Commands, fleet: DeployedFleet, cores: list[str], tmp_path: Path
) -> None:
    with disk(tmp_path / "small", "2M") as small:
        folder = small.folder / "fleet"
        words = ("--fleet", fleet.name, "--output", str(folder))
        commands.run("fleet", listed(cores[:1]), *words)
        keyfiles.KeyFolder(folder / cores[1]).prepare()
        before = _certificates(fleet.cloud)
        with small.filled():
            said = commands.run("fleet", listed(cores), *words, "--workers", "1", code=1)
        assert f"{folder / cores[1] / 'private.pem.key'}: No space left on device" in said
        assert "1 of 3 cores done, 1 failed, 1 not begun" in said
        assert _certificates(fleet.cloud) == before
        assert sorted(commands.json("fleet", listed(cores), *words)["done"]) == cores


def test_key_that_an_interruption_left_without_a_certificate_is_put_aside(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    keys = keyfiles.KeyFolder(Path("fleet") / fleet.name / cores[0])
    keys.prepare()
    keys.write_key(b"a key whose certificate is lost")
    commands.run("fleet", listed(cores), "--fleet", fleet.name)
    [aside] = keys.path.glob("private.pem.key.*")
    assert aside.read_bytes() == b"a key whose certificate is lost"
    assert stat.S_IMODE(aside.stat().st_mode) == 0o600


def test_interruption_is_summed_up() -> None:
    result = Result()

    class Interrupted(Output):
        def status(self, text: str) -> None:
            raise KeyboardInterrupt

    wanted = [FleetCore(f"c{n}", None, {}) for n in range(5)]
    gate = threading.Event()

    def make(one: FleetCore) -> str:
        if one.name == "c0":
            return "id"
        gate.wait(0.2)
        return "id"

    for_all(make, wanted, 1, result, Interrupted(as_json=True))
    assert result.ended == "interrupted"
    assert "c0" in result.done
    assert result.not_begun
    assert len(result.done) + len(result.not_begun) == 5


def _certificates(cloud: LocalCloud) -> set[str]:
    found = cloud.client("iot").list_certificates(pageSize=250)["certificates"]
    return {item["certificateId"] for item in found}
