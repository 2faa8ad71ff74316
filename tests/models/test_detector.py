"""``mli demo detector``: the file that it writes goes over no other one."""

from __future__ import annotations

from pathlib import Path

import pytest

from mli.demo.detector import save
from mli.errors import MliError


def test_detector_goes_over_no_other_file(tmp_path: Path) -> None:
    file = tmp_path / "fruit.onnx"
    save(file, b"detector")
    save(file, b"detector")
    file.write_bytes(b"a model of somebody's own")
    with pytest.raises(MliError, match="exists with another content"):
        save(file, b"detector")
    assert file.read_bytes() == b"a model of somebody's own"
    assert list(tmp_path.iterdir()) == [file]
