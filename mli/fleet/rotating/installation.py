"""What is typed on a device that gets the new certificate of a rotation."""

from __future__ import annotations

from collections.abc import Mapping

from ...device.generations.layout import Layout, Nucleus

_OF_A_CLAIM: Mapping[Nucleus, tuple[str, str]] = {
    "classic": ("/greengrass/v2/thingCert.crt", "/greengrass/v2/privKey.key"),
    "lite": (
        "/var/lib/greengrass/credentials/certificate.pem",
        "/var/lib/greengrass/credentials/priv_key",
    ),
}
"""Where a device that provisioned itself keeps certificate and key: its nucleus chose the names.

The plugin FleetProvisioningByClaim and the tool ``fleet-provisioning`` of nucleus lite have them in
their source code.
"""
_RESTART: Mapping[Nucleus, tuple[str, ...]] = {
    "classic": ("sudo systemctl restart greengrass",),
    "lite": (
        "sudo chown -R ggcore:ggcore /etc/greengrass",
        "sudo systemctl restart greengrass-lite.target",
    ),
}


def commands(
    archive: str, layout: Layout, nucleus: Nucleus, *, by_claim: bool, with_key: bool
) -> tuple[str, ...]:
    """Return the commands for the device, with the archive in the current folder.

    Where the workstation lacks the key in use, they keep it with its certificate, as ``.old``.
    """
    unpacked = tuple(f"{layout.folder}/{one}" for one in (layout.certificate, layout.private_key))
    used = _OF_A_CLAIM[nucleus] if by_claim else unpacked
    keep = [f"sudo cp -p {file} {file}.old" for file in used] if by_claim or not with_key else []
    moves = [f"sudo mv {new} {old}" for new, old in zip(unpacked, used, strict=True) if by_claim]
    if not with_key:
        own = f"sudo install -m 600 KEY {used[1]}    # KEY is the key of the request"
        moves = [*moves[:1], own]
    restart = list(_RESTART[nucleus])
    if by_claim and nucleus == "lite":
        restart.insert(0, f"sudo chown ggcore:ggcore {' '.join(used)}")
    return (*keep, f"sudo unzip -o {archive} -d {layout.folder}", *moves, *restart)
