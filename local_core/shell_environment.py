"""The file that a shell reads to work with a local cloud as with AWS."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from .cloud import LocalCloud

_OURS = ("AWS_", "CDK_", "MLI_")
_CLI = {
    "CDK_NOTICES": "false",
    "CDK_REQUIRE_APPROVAL": "never",
    "CDK_VALIDATION": "false",
    "NODE_NO_WARNINGS": "1",
}
"""Options of the CDK CLI that suit a trial: nothing is looked up in the Internet, nothing is asked,
and the library's check against CloudFormation, most of a synthesis, is left to a real deployment.
"""
_FORGET = r"""# A profile, a token or an endpoint of your own would lead elsewhere.
for name in $(env | sed -n 's/^\(AWS_[A-Z0-9_]*\)=.*/\1/p'); do unset "$name"; done
"""
_NO_PROXY = """\
export NO_PROXY="127.0.0.1,localhost${NO_PROXY:+,$NO_PROXY}"
export no_proxy="$NO_PROXY"
"""


def write_environment(cloud: LocalCloud, file: Path) -> Path:
    """Write what leads AWS's tools to ``cloud``, for a shell's ``source``; return the file.

    The shell also finds this Python first, which has the packages of the app and the tools.
    """
    ours = {
        name: value for name, value in cloud.environment().items() if name.startswith(_OURS)
    } | _CLI
    exports = [f"export {name}={shlex.quote(value)}\n" for name, value in sorted(ours.items())]
    python = shlex.quote(str(Path(sys.executable).parent))
    file.write_text("".join([_FORGET, *exports, _NO_PROXY, f'export PATH={python}:"$PATH"\n']))
    return file
