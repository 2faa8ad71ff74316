"""The environments of processes that work with the local cloud and not with AWS.

A user's own environment may name a profile, an endpoint, a token or a proxy that leads elsewhere.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_AWS = "AWS_"
_ENDPOINT = "AWS_ENDPOINT_URL"
_ELSEWHERE = (_AWS, "CDK_", "MINISTACK_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
"""Beginnings of variables by which a child process would look elsewhere than on this machine."""
_NO_FILES = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
_NO_PROXY = ("no_proxy", "NO_PROXY")
_THIS_MACHINE = ("127.0.0.1", "localhost")

_CDK = {
    "CI": "true",
    "NO_COLOR": "1",
    "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
    "NODE_NO_WARNINGS": "1",
}
"""Plain output of the CDK CLI, and no banner about Node 20, which works."""
WITHOUT_VALIDATION = {"CDK_VALIDATION": "false"}
"""Skips the checks against CloudFormation's rules and cdk-nag's: they take three quarters of a
synthesis and matter only to a deployment to AWS.
"""

_SHELL = ("AWS_", "CDK_", "MLI_")
_SHELL_CDK = {
    **WITHOUT_VALIDATION,
    "CDK_NOTICES": "false",
    "CDK_REQUIRE_APPROVAL": "never",
    "NODE_NO_WARNINGS": "1",
}
"""Options of the CDK CLI for a trial: it looks nothing up on the Internet and asks nothing."""
_SHELL_UNSET = r"""# A profile, a token or an endpoint of your own would lead elsewhere.
for name in $(env | sed -n 's/^\(AWS_[A-Z0-9_]*\)=.*/\1/p'); do unset "$name"; done
"""
_SHELL_NO_PROXY = """\
export NO_PROXY="127.0.0.1,localhost${NO_PROXY:+,$NO_PROXY}"
export no_proxy="$NO_PROXY"
"""


@contextmanager
def for_local_cloud() -> Iterator[None]:
    """Hide the user's account from the AWS SDKs in this process, and this machine from proxies.

    A profile that is missing from the hidden configuration files would be an error, so AWS's
    variables go too, but for the endpoint that names the local cloud to a core.
    """
    before = dict(os.environ)
    for name in before:
        if name.startswith(_AWS) and name != _ENDPOINT:
            del os.environ[name]
    os.environ.update({**_NO_FILES, **_no_proxy(before)})
    try:
        yield
    finally:
        for name in (*_NO_FILES, *_NO_PROXY):
            os.environ.pop(name, None)
        os.environ.update(before)


def of_this_machine() -> dict[str, str]:
    """Return this process's environment without AWS's and CDK's variables and without proxies."""
    return {
        name: value for name, value in os.environ.items() if not name.upper().startswith(_ELSEWHERE)
    }


def of_cloud(endpoint: str, *, region: str, root_ca: Path, cdk_home: Path) -> dict[str, str]:
    """Return the environment in which AWS's SDKs and tools, in any language, use ``endpoint``.

    CDK_HOME is not the user's, because the CDK CLI caches there which account a key belongs to.
    """
    return {
        **of_this_machine(),
        **_NO_FILES,
        _ENDPOINT: endpoint,
        "MLI_ROOT_CA": str(root_ca),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "CDK_HOME": str(cdk_home),
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "CDK_DISABLE_VERSION_CHECK": "true",
        "CI": "true",
        "NO_COLOR": "1",
        "NO_PROXY": "*",
    }


def of_cdk(own: Mapping[str, str]) -> dict[str, str]:
    """Return ``own`` for the CDK: quiet, and with the Python of this process first, for the app."""
    path = os.pathsep.join([str(Path(sys.executable).parent), own.get("PATH", "")])
    return {**_CDK, **own, "PATH": path}


def of_component(endpoint: str, own: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables by which AWS's SDKs in a component use ``endpoint`` and nothing else.

    On a device none of them is needed: the endpoints are AWS's by the Region's name, and the user
    that runs components has no configuration of the SDKs in a home folder.
    """
    return {
        **_NO_FILES,
        _ENDPOINT: endpoint,
        "AWS_ENDPOINT_URL_S3": endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
        **_no_proxy(own),
    }


def write_shell_file(environment: Mapping[str, str], file: Path) -> Path:
    """Write a file for a shell's ``source``, which leads AWS's tools to a cloud; return it.

    ``environment`` is the cloud's. The shell also finds this Python first, which has the packages
    of the app and the tools.
    """
    ours = {name: value for name, value in environment.items() if name.startswith(_SHELL)}
    exports = [
        f"export {name}={shlex.quote(value)}\n"
        for name, value in sorted({**ours, **_SHELL_CDK}.items())
    ]
    path = f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"\n'
    file.write_text("".join([_SHELL_UNSET, *exports, _SHELL_NO_PROXY, path]))
    return file


def _no_proxy(own: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that keep this machine's addresses, beside the user's, off proxies."""
    found = next((own[name] for name in _NO_PROXY if own.get(name)), "")
    hosts = [host.strip() for host in found.split(",") if host.strip()]
    missing = [host for host in _THIS_MACHINE if host not in hosts]
    return dict.fromkeys(_NO_PROXY, ",".join([*hosts, *missing]))
