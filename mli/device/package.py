"""``package``: everything that a device needs to become the core, in one archive."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import click

from ..aws import aws_options, clients
from ..cli.output import Output, ToolError, examples, reporting
from . import keyfiles, package_layout
from .core_stack import CoreName, CoreStack
from .keyfiles import KeyFolder
from .package_archive import archive, save
from .package_checks import check_registered, fetch_certificate
from .package_layout import Layout, Nucleus

_EXAMPLES = examples(
    "mli package Demo",
    "mli package Demo --nucleus lite --out demo-lite.zip",
    "mli package Demo --without-key      # the key is on the device already",
)


@click.command(epilog=_EXAMPLES)
@click.argument("core_name", type=CoreName())
@click.option(
    "--nucleus",
    type=click.Choice(["classic", "lite"]),
    default="classic",
    show_default=True,
    help="What runs on the device; a V1 core has neither.",
)
@click.option(
    "--folder", type=click.Path(path_type=Path), help="Key and certificate; default: certs/NAME."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("greengrass-setup.zip"),
    show_default=True,
    help="The archive.",
)
@click.option("--without-key", is_flag=True, help="Leave the private key out.")
@click.option(
    "--root-ca",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    envvar=keyfiles.ROOT_CA_VARIABLE,
    help=f"Authority of the endpoints, if not Amazon's [{keyfiles.ROOT_CA_VARIABLE}].",
)
@aws_options
@reporting
def package(
    output: Output,
    core_name: str,
    nucleus: str,
    folder: Path | None,
    out: Path,
    without_key: bool,
    root_ca: Path | None,
    region: str | None,
    aws_profile: str | None,
) -> None:
    """Write greengrass-setup.zip for the core CORE_NAME, from its stack's outputs and its key.

    First it makes sure that key, certificate and thing belong together, and that the certificate is
    active. The archive has mode 0600, the same content makes the same bytes, and one that holds
    another key is never overwritten.
    """
    of = clients(region, aws_profile)
    output.status(f"reading the stack of {core_name} …")
    stack = CoreStack.find(of, core_name)
    keys = KeyFolder(folder or Path("certs") / core_name)
    layout = layout_of(stack, cast(Nucleus, nucleus))
    output.status("asking AWS IoT for the certificate …")
    files, identity = checked_files(of("iot"), stack, keys, layout, without_key, root_ca)
    is_new = save(out, archive(files))
    commands = layout.commands(out.name)
    values = {
        "archive": str(out),
        "written": is_new,
        "files": sorted(files),
        "thingName": stack.thing_name,
        "certificateId": identity,
        "commands": list(commands),
    }
    todo = "\n".join(f"  {command}" for command in (f"scp {out} DEVICE:", *commands))
    state = "written" if is_new else "there already, and unchanged"
    output.result(
        values,
        f"{out}: {state} ({', '.join(sorted(files))}). Next, the last ones on the device:\n{todo}\n"
        f"  mli redeploy {core_name}",
    )


def layout_of(stack: CoreStack, nucleus: Nucleus) -> Layout:
    """Return where the files of a stack's core go."""
    configuration = stack.configuration()
    if stack.generation == 1:
        layout = package_layout.v1_layout(configuration)
    else:
        layout = package_layout.v2_layout(configuration, nucleus)
    package_layout.check_names(layout)
    return layout


def checked_files(
    iot: Any,
    stack: CoreStack,
    keys: KeyFolder,
    layout: Layout,
    without_key: bool,
    root_ca: Path | None,
) -> tuple[dict[str, bytes], str]:
    """Return the files of a core by their names, and its certificate's id, all of it checked.

    Raises:
        ToolError: if a file is missing, or does not belong to the others.
    """
    _make_certificate_be_there(iot, stack, keys)
    pem = keys.certificate.read_bytes()
    key = None
    if not without_key:
        if not keys.private_key.exists():
            raise ToolError(
                f"there is no {keys.private_key}: give the folder of the key with --folder, or add "
                "--without-key if it is on the device"
            )
        key = keys.private_key.read_bytes()
        keyfiles.check_pair(pem, key, str(keys.path))
    identity = check_registered(iot, pem, stack.thing_name)
    root = root_of_endpoints(keys, root_ca)
    return layout.files(certificate=pem, private_key=key, root_ca=root), identity


def root_of_endpoints(keys: KeyFolder, other: Path | None) -> bytes:
    """Return Amazon's root certificate, PEM, or the ``other`` that the user names.

    Raises:
        ToolError: if the folder has another one, which the user did not name: no core would connect
            to AWS by a local cloud's.
    """
    root = keyfiles.root_certificate(other)
    if other is None and keys.root_ca.exists():
        found = keyfiles.certificate_id(keys.root_ca.read_bytes())
        if found != keyfiles.certificate_id(root):
            raise ToolError(
                f"{keys.root_ca} is not Amazon's, but maybe a local cloud's: remove it and repeat, "
                f"or name it with --root-ca {keys.root_ca}"
            )
    return root


def _make_certificate_be_there(iot: Any, stack: CoreStack, keys: KeyFolder) -> None:
    """Fetch the certificate that the stack made from a signing request, if it is not here.

    A stack that was deleted and deployed again has made another one from the same request.
    """
    made = stack.outputs.get("CertificateId")
    if keys.certificate.exists():
        here = keyfiles.certificate_id(keys.certificate.read_bytes())
        if made in (None, here) or not keys.request.exists():
            return
        keys.retire_certificate(here)
    if made is None:
        raise ToolError(
            f"there is no {keys.certificate}: give the folder of key and certificate with --folder"
        )
    keys.prepare()
    fetch_certificate(iot, keys, made)
