"""Commands for a user to try while the local cloud and the cores stay up."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from stacks import names

from ..cloud import LocalCloud
from ..device.watcher import NAME, Watcher
from ..processes.environments import write_shell_file
from .target import PreparedCore


def instructions(
    cloud: LocalCloud, cores: Sequence[PreparedCore], watcher: Watcher, state: Path
) -> str:
    """Write the cloud's environment to a file, and return a text with commands to copy."""
    variables = write_shell_file(cloud.environment(), state / "environment.sh")
    last = cores[-1]
    options = " ".join(f"-c {shlex.quote(f'{k}={v}')}" for k, v in last.context.items())
    certificate = watcher.certificate
    subscribe = (
        f"mosquitto_sub -h {watcher.broker.host} -p {watcher.broker.port} -i {NAME}-2 "
        f"-v -t 'mli/#' --cafile {certificate.root_ca} --cert {certificate.certificate} "
        f"--key {certificate.private_key}"
    )
    generation = last.target.generation
    listing = generation.listing_command.format(thing=names.thing_name(last.target.core_name))
    again = f" (then {generation.after_deploy})" if generation.after_deploy else ""
    return f"""
The cloud and the cores stay up until Ctrl-C. In another terminal, in this folder:

  source {variables}        # AWS's tools then talk to {cloud.endpoint}
  {listing}
  aws s3 ls
  npx cdk deploy {last.stack} {options} -c confidenceThreshold=0.9{again}

  {subscribe}
"""
