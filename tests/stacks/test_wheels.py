"""Packages for devices without Internet access: which, from where, and the same for everyone."""

import hashlib
import re
from pathlib import Path

import pytest

from inference import schema
from inference.model.engines.runnable import RUNTIMES
from stacks.component import wheels
from stacks.component.wheels import PYTHONS, bundled_wheels, requirements_of
from stacks.context.keys import ARCHITECTURES
from tests.stacks.configurations import template as configuration
from tests.stacks.synthesis import only, template_of


def digests() -> dict[str, str]:
    lines = wheels.DIGESTS.read_text().splitlines()
    return {name: digest for digest, name in (line.split("  ") for line in lines)}


def pinned(name: str) -> set[str]:
    """The distributions that the digests list, as ``name==version``."""
    found = set()
    for wheel in digests():
        distribution, version = wheel.split("-")[:2]
        found.add(f"{distribution.replace('_', '-').lower()}=={version}")
    return found


def test_markers_are_evaluated_for_the_device_and_not_for_this_machine() -> None:
    assert "dlr==1.6.0" in requirements_of("x86_64", "dlr", "3.9")
    assert "dlr==1.10.0" in requirements_of("aarch64", "dlr", "3.9")
    assert "numpy==1.24.4" in requirements_of("x86_64", "dlr", "3.8")
    assert "numpy==2.2.6" in requirements_of("x86_64", "onnxruntime", "3.10")
    assert "numpy==2.4.6" in requirements_of("aarch64", "onnxruntime", "3.14")


@pytest.mark.parametrize(
    ("python", "version"),
    [
        ("3.8", "1.19.2"),
        ("3.9", "1.19.2"),
        ("3.10", "1.23.2"),
        ("3.13", "1.23.2"),
        ("3.14", "1.32.0"),
    ],
)
def test_each_python_gets_one_engine_in_a_version_that_has_wheels_for_it(
    python: str, version: str
) -> None:
    found = requirements_of("aarch64", "onnxruntime", python)
    assert f"onnxruntime=={version}" in found
    assert not [one for one in found if one.startswith("dlr")]
    assert not [one for one in requirements_of("aarch64", "dlr", python) if "onnx" in one]


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_each_package_of_each_python_is_pinned(architecture: str, runtime: str) -> None:
    """After a change of the device's requirements: `python -m stacks.component.wheels`."""
    for python in PYTHONS[architecture]:
        for requirement in requirements_of(architecture, runtime, python):
            assert requirement.lower() in pinned(architecture)


def test_digests_are_those_of_sha256sum_in_order() -> None:
    lines = wheels.DIGESTS.read_text().splitlines()
    assert all(re.fullmatch(r"[0-9a-f]{64}  [\w.-]+\.whl", line) for line in lines)
    assert list(digests()) == sorted(digests())


def fake_download(content: bytes) -> object:
    def download(architecture: str, runtime: str, folder: Path) -> None:
        (folder / "package-1.0-py3-none-any.whl").write_bytes(content)

    return download


def test_wheels_are_downloaded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"a wheel"
    listing = tmp_path / "wheels.sha256"
    listing.write_text(f"{hashlib.sha256(content).hexdigest()}  package-1.0-py3-none-any.whl\n")
    monkeypatch.setattr(wheels, "DIGESTS", listing)
    monkeypatch.setattr(wheels, "_download", fake_download(content))
    (first,) = bundled_wheels("x86_64", "dlr", cache=tmp_path / "cache")
    assert first.read_bytes() == content
    monkeypatch.setattr(wheels, "_download", None)
    assert bundled_wheels("x86_64", "dlr", cache=tmp_path / "cache") == (first,)


def test_wheel_that_was_not_pinned_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheels, "_download", fake_download(b"something else"))
    with pytest.raises(schema.ConfigurationError) as caught:
        bundled_wheels("x86_64", "dlr", cache=tmp_path / "cache")
    (fault,) = caught.value.faults
    assert fault.key == "dependencies"
    assert "package-1.0-py3-none-any.whl is not in wheels.sha256" in fault.rule
    assert fault.example == "-c dependencies=online"


def test_index_out_of_reach_is_one_clear_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"CONFIG_FILE": "/dev/null", "INDEX_URL": "http://127.0.0.1:9/", "RETRIES": "0"}
    for name, value in settings.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    with pytest.raises(schema.ConfigurationError) as caught:
        bundled_wheels("aarch64", "dlr", cache=tmp_path / "cache")
    (fault,) = caught.value.faults
    assert (fault.key, fault.value) == ("dependencies", "bundled")
    assert fault.rule.startswith("needs wheels for Python 3.9 on aarch64, and pip cannot get them")
    assert "PIP_INDEX_URL" in fault.rule
    assert list((tmp_path / "cache").iterdir()) == []


def test_bundled_code_is_other_content_than_code_alone(tmp_path: Path) -> None:
    bundled, online = (
        only(configuration(name), "Custom::ArtifactCopies")
        for name in ("v2-request-and-bundled", "v2")
    )
    assert bundled["ContentDigest"] != online["ContentDigest"]
    assert len(bundled["Assets"]) == len(online["Assets"])


def test_wheels_lie_where_the_device_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = tmp_path / "package-1.0-py3-none-any.whl"
    wheel.write_bytes(b"a wheel")
    monkeypatch.setattr(wheels, "CACHE", tmp_path)
    monkeypatch.setattr(wheels, "bundled_wheels", lambda architecture, runtime: (wheel,))
    template_of(tmp_path, dependencies="bundled")
    (staged,) = (tmp_path / "cdk.out").glob("asset.*/wheels")
    assert [path.read_bytes() for path in staged.iterdir()] == [b"a wheel"]
    assert (staged.parent / "requirements.txt").is_file()
    assert (staged.parent / "component.py").is_file()
