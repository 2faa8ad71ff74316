"""Connections of the commands that listen: with a certificate, or with AWS credentials."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import click

from local_core.device.setup import Address

from ..aws import session
from ..device.certificates.keyfiles import KeyFolder
from ..errors import MliError
from .connections import CertificateConnection, Connection, CredentialsConnection


def broker_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command ``--certificate`` and ``--endpoint``."""
    certificate = click.option(
        "--certificate",
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        metavar="FOLDER",
        help="Folder of `mli certificate NAME --watch`; default: your AWS credentials.",
    )
    endpoint = click.option(
        "--endpoint", metavar="HOST[:PORT]", help="MQTT broker; default: the endpoint of AWS IoT."
    )
    return certificate(endpoint(command))


def connection_of(
    certificate: Path | None,
    endpoint: str | None,
    region: str | None,
    profile: str | None,
    *,
    client_id: str | None = None,
) -> Connection:
    """Return a connection with the certificate in a folder, or with AWS credentials without one.

    Raises:
        MliError: if there are no credentials either.
    """
    if certificate is None:
        return with_credentials(endpoint, client_id, region, profile)
    if endpoint is None:
        iot = session(region, profile).client("iot")
        endpoint = iot.describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"]
    name = client_id or f"{certificate.resolve().name}-{secrets.token_hex(4)}"
    return CertificateConnection(KeyFolder(certificate), endpoint, name)


def with_credentials(
    endpoint: str | None, client_id: str | None, region: str | None, profile: str | None
) -> Connection:
    """Return a connection with AWS credentials.

    Raises:
        MliError: if there are none.
    """
    used = session(region, profile)
    iot = used.client("iot")
    if endpoint is None:
        endpoint = iot.describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"]
    credentials = used.get_credentials()
    if credentials is None:
        raise MliError(
            "there are no AWS credentials: run `aws configure`, set AWS_PROFILE, or give a "
            "--certificate"
        )
    own = urlsplit(iot.meta.endpoint_url)
    is_local = own.scheme == "http"  # AWS has https; only a local cloud has not
    return CredentialsConnection(
        credentials.get_frozen_credentials,
        region=used.region_name,
        endpoint=endpoint,
        client_id=client_id or f"watch-{secrets.token_hex(4)}",
        plain=Address(own.hostname or "", own.port or 80) if is_local else None,
    )
