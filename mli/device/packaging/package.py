"""``mli package``: everything that a device needs to become a core, in one archive."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import click

from ...aws import aws_options, clients
from ...cli.options import archive_option, key_folder_option, nucleus_option, root_ca_option
from ...cli.output import Output, examples, reporting
from ...cli.owner_names import CoreName
from ...errors import MliError
from ..certificates import keyfiles
from ..certificates.attachments import (
    check_registered,
    fetch_certificate,
    foreign_attachments,
)
from ..certificates.keyfiles import KeyFolder
from ..generations.layout import Layout, Nucleus, check_names, next_steps
from ..generations.table import generation_of
from ..stacks.core import CoreStack
from .archive import archive, save

_EXAMPLES = examples(
    "mli package Demo",
    "mli package Demo --nucleus lite --output demo-lite.zip",
    "mli package Demo --without-key      # the key is already on the device",
)


@click.command(epilog=_EXAMPLES)
@click.argument("core_name", type=CoreName())
@nucleus_option
@key_folder_option()
@archive_option("The archive to write.", default=Path("greengrass-setup.zip"), show_default=True)
@click.option("--without-key", is_flag=True, help="Write the archive without the private key.")
@root_ca_option
@aws_options
@reporting
def package(
    output: Output,
    core_name: str,
    nucleus: str,
    folder: Path | None,
    file: Path,
    without_key: bool,
    root_ca: Path | None,
    region: str | None,
    aws_profile: str | None,
) -> None:
    """Write greengrass-setup.zip for the core CORE_NAME, from its stack's outputs and its key.

    The command first checks that key, certificate and thing belong together, and that the
    certificate is active. The archive has mode 0600, identical content gives identical bytes, and
    an archive that holds another key is never overwritten.
    """
    of = clients(region, aws_profile)
    output.status(f"reading the stack of {core_name} …")
    stack = CoreStack.find(of, core_name)
    keys = KeyFolder(folder or Path("certs") / core_name)
    layout = layout_of(stack, cast(Nucleus, nucleus))
    output.status("asking AWS IoT for the certificate …")
    files, identity = checked_files(of("iot"), stack, keys, layout, without_key, root_ca)
    found = foreign_attachments(of("iot"), core_name, stack.thing_name)
    warnings = [*layout.notes, *found]
    for warning in warnings:
        output.say(f"warning: {warning}")
    is_new = save(file, archive(files))
    commands = layout.commands(file.name, with_key=not without_key)
    values = {
        "archive": str(file),
        "written": is_new,
        "files": sorted(files),
        "thingName": stack.thing_name,
        "certificateId": identity,
        "commands": list(commands),
        "warnings": warnings,
    }
    state = "written" if is_new else "already there, unchanged"
    output.result(
        values,
        f"{file}: {state} ({', '.join(sorted(files))}). {next_steps(file, commands)}\n"
        f"  mli redeploy {core_name}",
    )


def layout_of(stack: CoreStack, nucleus: Nucleus) -> Layout:
    """Return where the files of a stack's core go."""
    layout = generation_of(stack).layout(stack, nucleus)
    check_names(layout)
    return layout


def checked_files(
    iot: Any,
    stack: CoreStack,
    keys: KeyFolder,
    layout: Layout,
    without_key: bool,
    root_ca: Path | None,
) -> tuple[dict[str, bytes], str]:
    """Return the checked files of a core by their names, and the id of its certificate.

    Raises:
        MliError: if a file is missing, or does not belong to the others.
    """
    if not without_key and not keys.private_key.exists():
        raise MliError(
            f"there is no {keys.private_key}: give the folder of the key with --folder, or add "
            "--without-key if it is on the device"
        )
    root = root_of_endpoints(keys, root_ca)
    _fetch_missing_certificate(iot, stack, keys)
    pem = keys.certificate.read_bytes()
    key = None
    if not without_key:
        key = keys.private_key.read_bytes()
        keyfiles.check_pair(pem, key, str(keys.path))
    identity = check_registered(iot, pem, stack.thing_name)
    return layout.files(certificate=pem, private_key=key, root_ca=root), identity


def root_of_endpoints(keys: KeyFolder, other: Path | None) -> bytes:
    """Return Amazon's root certificate, PEM, or the ``other`` that the user names.

    Raises:
        MliError: if the folder has one that the user did not name: with that of a local cloud no
            core would connect to AWS.
    """
    root = keyfiles.root_certificate(other)
    if other is None and keys.root_ca.exists():
        found = keyfiles.certificate_id(keys.root_ca.read_bytes())
        if found != keyfiles.certificate_id(root):
            raise MliError(
                f"{keys.root_ca} is not Amazon's, but perhaps a local cloud's: remove it and "
                f"repeat, or name it with --root-ca {keys.root_ca}"
            )
    return root


def _fetch_missing_certificate(iot: Any, stack: CoreStack, keys: KeyFolder) -> None:
    """Fetch the certificate that the stack created from a signing request, if it is not here.

    A stack that was deleted and deployed again has created another one from the same request.
    """
    created = stack.outputs.get("CertificateId")
    if keys.certificate.exists():
        here = keyfiles.certificate_id(keys.certificate.read_bytes())
        if created in (None, here) or not keys.request.exists():
            return
        keys.retire_certificate(here)
    if created is None:
        raise MliError(
            f"there is no {keys.certificate}: give the folder of key and certificate with --folder"
        )
    keys.prepare()
    fetch_certificate(iot, keys, created)
