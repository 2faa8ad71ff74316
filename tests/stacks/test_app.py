"""The app as the CDK's command starts it, and the checks at its synthesis."""

import json
import os
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

import app
from inference.schema import ConfigurationError
from stacks.core.stack import GreengrassCoreStack
from stacks.generations import read_settings
from stacks.nag_checks import add_checks
from tests.stacks.synthesis import ROOT, context, findings_of, new_app


def run_app(
    folder: Path, values: dict[str, object], *options: str
) -> "subprocess.CompletedProcess[str]":
    environment = {
        **os.environ,
        "CDK_CONTEXT_JSON": json.dumps(values),
        "CDK_OUTDIR": str(folder),
        "CDK_VALIDATION": "false",
    }
    return subprocess.run(
        [sys.executable, *options, "app.py"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_wrong_context_ends_the_app_with_its_faults_and_no_traceback(tmp_path: Path) -> None:
    result = run_app(tmp_path / "cdk.out", context(tmp_path, coreName="bad name!", tpoK="3"))
    assert result.returncode == 1
    assert "2 faults in the context; nothing was synthesised:\n" in result.stderr
    assert "  tpoK='3': unknown key; did you mean topK?, for example -c topK=3\n" in result.stderr
    assert "Traceback" not in result.stderr
    assert not list((tmp_path / "cdk.out").glob("*.template.json"))


def test_missing_packages_are_one_line_that_says_what_to_install(tmp_path: Path) -> None:
    without_packages = "-S"
    result = run_app(tmp_path / "cdk.out", context(tmp_path), without_packages)
    assert result.returncode == 1
    assert result.stderr == (
        "No module named 'aws_cdk'; install the app's packages first: "
        f"pip install -r {ROOT / 'requirements.txt'}\n"
    )


def test_right_context_synthesises_a_stack_for_any_environment(tmp_path: Path) -> None:
    result = run_app(tmp_path / "cdk.out", context(tmp_path))
    assert (result.returncode, result.stderr) == (0, "")
    manifest = json.loads((tmp_path / "cdk.out" / "manifest.json").read_text())
    stack = manifest["artifacts"]["DlrInference-Demo"]
    assert stack["environment"] == "aws://unknown-account/unknown-region"
    assert "missing" not in manifest


def test_report_of_an_earlier_synthesis_does_not_stay_in_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "cdk.out"
    run_app(folder, context(tmp_path, greengrassVersion="1"))
    assert "shut Greengrass V1 down" in (folder / app.REPORT).read_text()
    assert run_app(folder, context(tmp_path)).returncode == 0
    assert not (folder / app.REPORT).exists()


@pytest.mark.parametrize(
    ("bucket", "is_warned"), [("my-models", True), ("my-sagemaker-models", False)]
)
def test_a_model_that_the_service_role_cannot_read_is_a_warning(
    tmp_path: Path, bucket: str, is_warned: bool
) -> None:
    values = context(tmp_path, greengrassVersion="1", modelS3Uri=f"s3://{bucket}/model.tar.gz")
    run_app(tmp_path / "cdk.out", values)
    report = (tmp_path / "cdk.out" / app.REPORT).read_text()
    assert ("must be able to read the model in my-models" in report) == is_warned


def test_synthesis_passes_the_checks(tmp_path: Path) -> None:
    app = new_app(tmp_path / "cdk.out", validated=True)
    GreengrassCoreStack(app, settings=read_settings(context(tmp_path)))
    add_checks(app)
    assert findings_of(app) == []


def test_node_gets_its_flags_wherever_the_app_is(tmp_path: Path) -> None:
    folder = tmp_path / 'an "app" of Å'
    (folder / "stacks").mkdir(parents=True)
    for name in ("app.py", "stacks/__init__.py", "stacks/node.py", "stacks/node_flags.cjs"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "aws_cdk.py").write_text(
        "import subprocess\n"
        "told = 'JSON.stringify([Object.keys(require.cache), process.env.NODE_OPTIONS])'\n"
        "subprocess.run(['node', '-p', told])\n"
        "raise SystemExit\n"
    )
    done = subprocess.run(
        [sys.executable, "app.py"],
        cwd=folder,
        env={**os.environ, "NODE_OPTIONS": "--stack-trace-limit=7"},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded, options = json.loads(done.stdout)
    assert str(folder / "stacks" / "node_flags.cjs") in loaded
    assert options.startswith("--stack-trace-limit=7 ")
    assert done.stderr == ""


def environment_of(folder: Path) -> Path:
    """Make an environment whose Python prints where it is."""
    python = folder / "bin" / "python3"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$0 $*"\n')
    python.chmod(0o755)
    return folder


@pytest.mark.parametrize(
    ("variables", "chosen"),
    [
        ({}, ".venv"),
        ({"VIRTUAL_ENV": "active"}, "active"),
        ({"CONDA_DEFAULT_ENV": "base", "CONDA_PREFIX": "conda"}, ".venv"),
        ({"CONDA_DEFAULT_ENV": "mli", "CONDA_PREFIX": "conda"}, "conda"),
        ({"CONDA_DEFAULT_ENV": "mli", "CONDA_PREFIX": "conda", "VIRTUAL_ENV": "active"}, "active"),
    ],
)
def test_app_runs_in_the_active_environment_else_in_that_of_make(
    tmp_path: Path, variables: dict[str, str], chosen: str
) -> None:
    shutil.copy(ROOT / "app.sh", tmp_path)
    folders = {name: environment_of(tmp_path / name) for name in (".venv", "active", "conda")}
    names = {key: str(folders.get(value, value)) for key, value in variables.items()}
    done = subprocess.run(
        json.loads((ROOT / "cdk.json").read_text())["app"],
        shell=True,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], **names},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{folders[chosen]}/bin/python3 app.py\n"


def test_app_runs_with_the_python_on_the_path_where_no_environment_is_named(tmp_path: Path) -> None:
    shutil.copy(ROOT / "app.sh", tmp_path)
    folder = environment_of(tmp_path / "conda")
    done = subprocess.run(
        json.loads((ROOT / "cdk.json").read_text())["app"],
        shell=True,
        cwd=tmp_path,
        env={"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{folder}/bin/python3 app.py\n"


def test_cdk_json_holds_no_setting_of_a_core() -> None:
    frozen = json.loads((ROOT / "cdk.json").read_text())["context"]
    assert all(key == "cli-telemetry" or key.startswith("@aws-cdk") for key in frozen)


def test_key_that_stands_twice_in_cdk_json_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cdk.json").write_text('{"context": {"coreName": "A", "coreName": "B"}}')
    monkeypatch.setattr(app, "__file__", str(tmp_path / "app.py"))
    with pytest.raises(ConfigurationError, match="the key 'coreName' appears twice"):
        app.feature_flags()


def test_cdk_watch_sees_what_a_template_is_made_of() -> None:
    """Without this key ``cdk watch`` refuses to start."""
    watch = json.loads((ROOT / "cdk.json").read_text())["watch"]
    for needed in ("app.py", "stacks/names.py", "edge_functions/dlr_inference/component.py"):
        assert (ROOT / needed).is_file()
        assert any(fnmatch(needed, pattern) for pattern in watch["include"])
        assert not any(fnmatch(needed, pattern) for pattern in watch["exclude"])


def test_cdk_command_is_pinned_by_a_lock_that_names_no_registry() -> None:
    lock = json.loads((ROOT / "package-lock.json").read_text())
    assert lock["packages"]["node_modules/aws-cdk"]["version"] == "2.1148.1"
    assert "http" not in json.dumps(lock)
