"""``templates``: cores as files, their templates checked and compared with what was accepted."""

from __future__ import annotations

import json
from pathlib import Path

import click.testing
import pytest

from mli.cli.main import main
from mli.templates import synthesis as template_synthesis
from mli.templates.command import _same_certificate, _same_stack
from mli.templates.snapshots import compare, left_over, readable, readable_text
from mli.templates.synthesis import CoreFile, Synthesised, lint, synthesise
from tests.stacks.synthesis import CERTIFICATE_ID, templates_of

pytestmark = pytest.mark.slow

CORE = {
    "coreName": "Demo",
    "certificateId": CERTIFICATE_ID,
    "modelS3Uri": "s3://models/model.tar.gz",
    "feedback": False,
    "topK": 5,
}


@pytest.fixture(autouse=True)
def without_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out CloudFormation's rules and cdk-nag: they take 4 s of a processor each time.

    ``make templates`` checks them in CI.
    """
    monkeypatch.setenv("CDK_VALIDATION", "false")


def write_core(folder: Path, name: str = "Demo", **values: object) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / f"{name}.json"
    file.write_text(json.dumps({**CORE, **values}), encoding="utf-8")
    return file


def run(folder: Path, *options: str) -> click.testing.Result:
    output = folder.parent / "assemblies"
    arguments = ["templates", str(folder), f"--output={output}", *options]
    return click.testing.CliRunner().invoke(main, arguments)


def test_certificate_of_two_cores_is_refused_with_both_files(tmp_path: Path) -> None:
    request = tmp_path / "core.csr"
    request.write_text("the same")
    arn = f"arn:aws:iot:us-east-1:111122223333:cert/{CERTIFICATE_ID}"
    contexts = {
        "a.json": {"certificateId": CERTIFICATE_ID},
        "b.json": {"certificateId": arn},
        "c.json": {"certificateSigningRequest": str(request)},
        "d.json": {"certificateSigningRequest": str(request)},
        "e.json": {"certificateId": "f" * 64},
    }
    files = [CoreFile(Path(name), context) for name, context in contexts.items()]
    first, second = _same_certificate(files)
    assert first.startswith("b.json: has the certificateId of a.json")
    assert second.startswith("d.json: has the certificateSigningRequest of c.json")


def test_change_is_shown_value_by_value_until_it_is_accepted(tmp_path: Path) -> None:
    cores, snapshots = tmp_path / "cores", tmp_path / "cores" / "snapshots"
    write_core(cores)
    first = run(cores, "--update")
    assert first.exit_code == 0, first.output
    accepted = json.loads((snapshots / "DlrInference-Demo.json").read_text())
    recipe = accepted["Resources"]["InferenceVersion903262CB"]["Properties"]["InlineRecipe"]
    assert recipe["Fn::ToJsonString"]["ComponentName"] == "DlrInference.Demo"
    assert (tmp_path / "assemblies" / "Demo" / "manifest.json").exists()

    (snapshots / "DlrInference-Gone.json").write_text("{}")
    write_core(cores, topK=3)
    second = run(cores)
    assert second.exit_code == 1
    changed = [line for line in second.stdout.splitlines() if line.startswith(("+ ", "- "))]
    assert [line[1:].strip() for line in changed] == ['"topK": 5', '"topK": 3']
    assert "DlrInference-Gone.json: belongs to no core any more" in second.stdout
    assert "2 not as accepted" in second.stdout


def test_fault_of_a_context_is_reported_with_its_file(tmp_path: Path) -> None:
    file = write_core(tmp_path / "cores", topK="many", tpoK=3)
    result = run(tmp_path / "cores")
    assert result.exit_code == 1
    assert f"{file}: 2 faults in the context; nothing was synthesised:" in result.stdout
    assert "did you mean topK?" in result.stdout
    assert "Traceback" not in result.output


def test_finding_of_nag_is_reported_without_the_stacks_of_two_languages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "app.py").write_text(
        "import aws_cdk as cdk\n"
        "from aws_cdk import aws_s3 as s3\n"
        "from stacks.nag_checks import add_checks\n"
        "app = cdk.App()\n"
        "s3.Bucket(cdk.Stack(app, 'Open'), 'Bucket')\n"
        "add_checks(app)\n"
        "app.synth()\n"
    )
    (tmp_path / "cdk.json").write_text('{"context": {}}')
    monkeypatch.delenv("CDK_VALIDATION")
    monkeypatch.setenv("PYTHONPATH", str(template_synthesis.REPOSITORY))
    monkeypatch.setattr(template_synthesis, "REPOSITORY", tmp_path)
    fault = synthesise(CoreFile(Path("open.json"), CORE), tmp_path / "out").fault
    lines = fault.splitlines()
    assert any(line.strip().startswith("Open/Bucket/Resource: ") for line in lines), fault
    assert any(line.endswith("(AwsSolutions-S10)") for line in lines), fault
    assert "Traceback" not in fault


def test_folder_that_is_no_assembly_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "assemblies" / "Demo"
    folder.mkdir(parents=True)
    (folder / "thesis.txt").write_text("years of work")
    file = write_core(tmp_path / "cores")
    result = run(tmp_path / "cores", "--json")
    assert result.exit_code == 1
    [fault] = json.loads(result.stdout)["faults"]
    assert fault == f"{file}: {folder} is not empty, and is not an assembly: remove it"
    assert (folder / "thesis.txt").exists()


def test_linter_finds_a_property_that_is_none(tmp_path: Path) -> None:
    template = tmp_path / "x.template.json"
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"Colour": "red"}}
    template.write_text(json.dumps({"Resources": {"Bucket": bucket}}))
    (finding,) = lint([template])
    assert "Colour" in finding


def test_two_cores_of_one_name_are_refused() -> None:
    both = [
        Synthesised(Path(file), (Path(folder) / "DlrInference-Demo.template.json",))
        for file, folder in (("a.json", "a"), ("b.json", "b"))
    ]
    (fault,) = _same_stack(both)
    assert fault.startswith("b.json: has the stack DlrInference-Demo, as a.json has")


def test_files_that_are_no_context_are_all_named(tmp_path: Path) -> None:
    cores = tmp_path / "cores"
    cores.mkdir()
    (cores / "broken.json").write_text("{")
    (cores / "list.json").write_text("[]")
    (cores / "twice.json").write_text('{"coreName": "A", "topK": 1, "topK": 2}')
    result = run(cores)
    assert result.exit_code == 1
    assert "broken.json: is not JSON" in result.stderr
    assert "list.json: must be an object of context keys" in result.stderr
    assert "twice.json: is not JSON (the key 'topK' appears twice in an object" in result.stderr


def test_folder_without_cores_is_a_fault(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert result.exit_code == 1
    assert "holds no core" in result.stderr


def test_json_in_texts_is_shown_as_an_object() -> None:
    text = {"Fn::Join": ["", ['{"bucket":"', {"Ref": "Samples"}, '","limit":0.5}']]}
    assert readable(text) == {"Fn::ToJsonString": {"bucket": "${Samples}", "limit": 0.5}}


@pytest.mark.parametrize(
    ("part", "shown"),
    [
        ({"Ref": "AWS::Region"}, "in ${AWS::Region}"),
        ({"Fn::GetAtt": ["Thing", "Arn"]}, "in ${Thing.Arn}"),
        ({"Fn::Sub": "a-${B}"}, "in a-${B}"),
        ({"Fn::Select": [0, {"Ref": "List"}]}, "in ${{'Fn::Select': [0, {'Ref': 'List'}]}}"),
    ],
)
def test_parts_of_a_text_are_shown_as_one(part: object, shown: str) -> None:
    assert readable({"Fn::Join": ["", ["in ", part]]}) == {"Fn::Sub": shown}


def test_only_what_stands_for_content_is_left_out(tmp_path: Path) -> None:
    """A certificate's id has as many digits as a digest, and must be seen to change."""
    digest = "ab" * 32
    template = tmp_path / "Core.template.json"
    template.write_text(
        json.dumps(
            {
                "key": f"{digest}.zip",
                "certificate": CERTIFICATE_ID,
                "ContentDigest": digest[::-1],
                "SettingsDigest": digest[::-1],
                "AskedAt": "2026-11-27T10:49:05Z",
                "recipe": f'{{"Script": "{digest}/component.py", "tls": "1.2"}}',
                "FunctionCurrentVersion0A1B2C3D" + "e" * 32: "1.2",
            }
        )
    )
    (tmp_path / "Core.assets.json").write_text(json.dumps({"files": {digest: {}}}))
    assert json.loads(readable_text(template)) == {
        "key": "<digest>.zip",
        "certificate": CERTIFICATE_ID,
        "ContentDigest": "<content>",
        "SettingsDigest": "<settings>",
        "AskedAt": "<time>",
        "recipe": {"Fn::ToJsonString": {"Script": "<digest>/component.py", "tls": "1.2"}},
        "FunctionCurrentVersion0A1B2C3D<digest>": "1.2",
    }


def test_deployments_of_a_canary_are_no_change_of_its_template(tmp_path: Path) -> None:
    """Each has a wait of its own, and for a model in S3 so has each synthesis."""
    shown = []
    for top in (1, 2):
        folder = tmp_path / str(top)
        fleet = {"fleetName": "a", "modelS3Uri": "s3://b-b/m.zip", "rollout": {"canary": {}}}
        (template,) = templates_of(folder / "out", {**fleet, "topK": top}).values()
        (folder / "Fleet.template.json").write_text(json.dumps(template))
        shown.append(readable_text(folder / "Fleet.template.json"))
    assert '"CanaryVerdict<digest>": {' in shown[0]
    assert shown[0].replace('"topK": 1', '"topK": 2') == shown[1]


def test_template_without_an_accepted_one_is_new(tmp_path: Path) -> None:
    template = tmp_path / "Core.template.json"
    template.write_text("{}")
    found = compare(Synthesised(Path("core.json"), (template,)), template, tmp_path / "snapshots")
    assert found.differs
    assert found.diff == [f"{tmp_path / 'snapshots' / 'Core.json'}: is new"]
    found.accept()
    assert left_over(tmp_path / "snapshots", [found.snapshot]) == []
    assert left_over(tmp_path / "snapshots", []) == [found.snapshot]
