"""What all commands have in common: help without imports, errors in one line, JSON for scripts."""

from __future__ import annotations

import errno
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import botocore.exceptions as faults
import certifi
import click.testing
import pytest

from mli.aws import explain
from mli.cli.main import COMMANDS, main
from mli.cli.output import Output, reporting
from mli.errors import MliError

REPOSITORY = Path(__file__).parents[2]
WITHOUT_RESULT = ("run", "cloud", "core", "infer", "demo")
"""These run until they are stopped, print JSON in any case, or are groups."""


_NEO = (
    "--with neo --framework mxnet --input-shape {} --role arn --target-device jetson_nano "
    "--output s3://b/o"
)
DIFFERENT = ("--endpoint", "--folder", "--frames", "--image", "--images", "--input-shape",
             "--message-format", "--model", "--nucleus", "--output", "--profile", "--region",
             "--target-device", "--wait")  # fmt: skip
"""These options name other things, or other defaults, in each command."""


def commands(
    command: click.Command = main, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command of ``mli`` with the words that call it, those of groups too."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from commands(inner, (*path, name))


@pytest.mark.parametrize("path", [path for path, _ in commands()], ids=" ".join)
def test_each_command_has_help_with_examples(path: tuple[str, ...]) -> None:
    done = click.testing.CliRunner().invoke(main, [*path, "--help"])
    assert done.exit_code == 0, done.output
    assert done.output == click.testing.CliRunner().invoke(main, [*path, "-h"]).output
    assert "Examples:" in done.output
    assert " ".join(["mli", *path]) in done.output.partition("Examples:")[2]
    is_group = "COMMAND [ARGS]" in done.output
    assert is_group or "--json" in done.output or path[0] in WITHOUT_RESULT


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ("certificate Demo --key-type rsa", "--key-type goes with --csr"),
        ("redeploy Demo --no-wait --timeout 5", "--timeout goes with --wait"),
        ("watch Demo --timeout 5", "--timeout goes with --count; --seconds ends the command"),
        ("run --greengrass-version 1 --nucleus lite", "--nucleus is for --greengrass-version 2"),
        ("fleet rotate Demo --settle 5", "--settle is for --finish without --seen"),
        ("fleet rotate Demo --finish --seen --timeout 5", "--timeout is for --finish without"),
        ("fleet rotate Demo --finish --nucleus lite", "--nucleus is for the archive that begins"),
        ("fleet claim shop --end --output a.zip", "--output is not for --end"),
        ("fleet claim shop --end --nucleus classic", "--nucleus is not for --end"),
        ("fleet canary shop Demo --healthy 5", "--healthy is for the verdict"),
        (
            f"compile {_NEO} s3://b/m.tar.gz --upload-to s3://b/m",
            "--upload-to is for a model on this machine, not for s3://b/m.tar.gz",
        ),
    ],
)
def test_option_that_would_do_nothing_is_refused(words: str, fault: str) -> None:
    done = click.testing.CliRunner().invoke(main, words.split())
    assert done.exit_code == 2
    assert fault in done.output


def test_root_certificate_of_the_environment_is_no_option_that_was_given(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    words = ["fleet", "rotate", "Demo", "--cancel"]
    done = click.testing.CliRunner().invoke(main, words, env={"MLI_ROOT_CA": certifi.where()})
    assert "no AWS Region is set" in done.output


@pytest.mark.parametrize(
    ("words", "near"),
    [("statu Demo", "status"), ("fleet stauts shop", "status"), ("fleet rotat press-1", "rotate")],
)
def test_misspelt_command_is_named_with_the_nearest(words: str, near: str) -> None:
    done = click.testing.CliRunner().invoke(main, words.split())
    assert done.exit_code == 2
    assert f"No such command {words.split()[-2]!r}; did you mean {near}?" in done.output


@pytest.mark.parametrize("name", ["add.csv", "stauts"])
def test_list_without_a_command_is_added(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_text("corename\na\n")
    done = click.testing.CliRunner().invoke(main, ["fleet", name, "--fleet", "shop-floor"])
    assert f"mli fleet add: {name}: line 1: unknown column 'corename'" in done.output


def test_the_same_option_has_the_same_words_everywhere() -> None:
    found: dict[str, set[str | None]] = {}
    for _, command in commands():
        for option in command.params:
            if isinstance(option, click.Option):
                found.setdefault(option.opts[0], set()).add(option.help)
    several = {name for name, texts in found.items() if len(texts) > 1}
    assert several <= set(DIFFERENT)


def test_former_name_of_an_option_works_and_is_not_shown() -> None:
    runner = click.testing.CliRunner()
    assert "--out " not in runner.invoke(main, ["package", "-h"]).output
    assert "No such option" not in runner.invoke(main, ["package", "--out", "x", "*"]).output


def test_help_loads_no_command() -> None:
    code = (
        "import sys; from mli.cli.main import main; main(['--help'], standalone_mode=False); "
        "sys.exit(any(name in sys.modules for name in ('boto3', 'numpy', 'mli.compile.command')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in COMMANDS)


def test_command_whose_packages_are_missing_names_the_list_to_install() -> None:
    code = (
        "import sys; sys.modules['numpy'] = sys.modules['cv2'] = None; "
        "from mli.cli.main import main; main(['compile', '--help'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "this command needs the package numpy, which is not installed: pip" in done.stderr
    assert f"pip install -r {REPOSITORY / 'requirements-dev.txt'}\n" in done.stderr
    assert "Traceback" not in done.stderr


def test_mli_without_any_package_names_the_list_to_install() -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-m", "mli", "status"],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    wanted = REPOSITORY / "requirements-operate.txt"
    assert done.stderr == f"mli: its packages are not installed: pip install -r {wanted}\n"


def invoke(error: Exception, *arguments: str) -> click.testing.Result:
    @click.command("greet")
    @reporting
    def greet(output: Output) -> None:
        raise error

    return click.testing.CliRunner().invoke(greet, list(arguments))


def test_closed_stdout_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)  # as Python has it after >&-
    with pytest.raises(SystemExit):
        main(["demo", "--help"])
    Output(as_json=False).result({}, "nobody reads this")


def test_expected_fault_is_one_line_and_status_1() -> None:
    done = invoke(MliError("too\n  cold"))
    assert (done.exit_code, done.stdout, done.stderr) == (1, "", "greet: too cold\n")
    assert json.loads(invoke(MliError("cold"), "--json").stdout) == {"error": "cold"}


def test_fault_of_a_file_names_it() -> None:
    error = FileNotFoundError(2, "No such file or directory", "/nowhere")
    assert invoke(error).stderr == "greet: /nowhere: No such file or directory\n"


class _Full(io.StringIO):
    """A stream on a full disk."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_full_disk_of_stdout_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    @click.command("greet")
    @reporting
    def greet(output: Output) -> None:
        output.result({"said": "hello"}, "hello")

    monkeypatch.setattr(sys, "stdout", _Full())
    with pytest.raises(SystemExit) as end:
        greet(arguments, prog_name="greet")
    assert end.value.code == 1
    assert capsys.readouterr().err == "greet: the standard output: No space left on device\n"


def test_mistake_of_ours_keeps_its_traceback() -> None:
    assert isinstance(invoke(ZeroDivisionError()).exception, ZeroDivisionError)


def test_interruption_is_status_130() -> None:
    @click.command("greet")
    @reporting
    def greet(output: Output) -> None:
        raise KeyboardInterrupt

    assert click.testing.CliRunner().invoke(greet).exit_code == 130


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("ExpiredToken", "session has expired"),
        ("InvalidClientTokenId", "does not know these credentials"),
        ("AccessDenied", "not permitted"),
        ("SlowDown", "throttling"),
        ("PermanentRedirect", "another Region"),
        ("NoSuchBucket", "not found"),
        ("Strange", "GetObject: why (Strange)"),
    ],
)
def test_answers_of_aws_in_one_line(code: str, said: str) -> None:
    error = faults.ClientError({"Error": {"Code": code, "Message": "why"}}, "GetObject")
    assert said in explain(error)
    assert "\n" not in explain(error)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (faults.NoCredentialsError(), "no AWS credentials"),
        (faults.NoRegionError(), "no AWS Region is set"),
        (faults.EndpointConnectionError(endpoint_url="https://x"), "Is there a network"),
        (faults.ReadTimeoutError(endpoint_url="https://x"), "cannot be reached"),
        (faults.ProfileNotFound(profile="me"), "list-profiles"),
    ],
)
def test_faults_before_aws_answers(error: Exception, said: str) -> None:
    assert said in explain(error)
