"""What a user can do with a local cloud and cores that stay up."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from stacks import names

from .cloud import LocalCloud
from .device.watcher import NAME, Watcher
from .shared_cloud import Prepared
from .shell_environment import write_environment


def look_around(cloud: LocalCloud, cores: Sequence[Prepared], watcher: Watcher, state: Path) -> str:
    """Write the cloud's environment to a file, and return commands to copy."""
    variables = write_environment(cloud, state / "environment.sh")
    last = cores[-1]
    options = " ".join(f"-c {shlex.quote(f'{k}={v}')}" for k, v in last.context.items())
    certificate = watcher.certificate
    subscribe = (
        f"mosquitto_sub -h {watcher.broker.host} -p {watcher.broker.port} -i {NAME}-2 "
        f"-v -t 'mli/#' --cafile {certificate.root_ca} --cert {certificate.certificate} "
        f"--key {certificate.private_key}"
    )
    if last.target.greengrass_version == 1:
        listing = "aws greengrass list-groups"
        again = " (then run the new CommandToDeployGroup that it prints)"
    else:
        thing = names.thing_name(last.target.core_name)
        listing = f"aws greengrassv2 list-effective-deployments --core-device-thing-name {thing}"
        again = ""
    return f"""
The cloud and the cores stay up until Ctrl-C. In another terminal, in this folder:

  source {variables}        # AWS's tools then talk to {cloud.endpoint}
  {listing}
  aws s3 ls
  npx cdk deploy {last.stack} {options} -c confidenceThreshold=0.9{again}

  {subscribe}
"""
