"""Files of the model that are damaged while it runs: reported at once, not only after a restart."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from inference.names import telemetry_topic
from models import store
from tests.component.conftest import CORE, MODEL, Rig
from tests.waiting import eventually

pytestmark = pytest.mark.slow


def test_a_model_that_is_damaged_on_disk_is_named_while_the_one_in_memory_goes_on(
    rig: Rig, tmp_path: Path
) -> None:
    rig.model = Path(shutil.copytree(store.unpacked(MODEL), tmp_path / "model"))
    params = rig.model / "compiled.params"
    good = params.read_bytes()
    rig.configure(inferenceInterval=0.2)
    rig.start()
    rig.await_predictions(2)
    params.write_bytes(good[:1000] + b"?" + good[1001:])
    eventually(lambda: rig.faults() == ["no model"], seconds=10)
    [fault] = rig.broker.on(telemetry_topic(CORE))[-1]["health"]["faults"]
    assert "compiled.params: is truncated or changed" in fault
    rig.await_predictions(2)
    params.write_bytes(good)
    eventually(lambda: rig.faults() == [], seconds=15)
    assert rig.states() == ["RUNNING"]
    assert rig.stop() == 0
