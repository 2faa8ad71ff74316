"""Certificates of a fleet's cores, created once: each is noted, with its key on disk."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import botocore.exceptions

from ..device.certificates import keyfiles
from ..device.certificates.keyfiles import KeyFolder
from ..errors import MliError
from .journal import Journal
from .work import absent_is_done


def is_active(iot: Any, identity: str) -> bool:
    """Return whether there is a certificate of this id that can be used."""
    with absent_is_done():
        found = iot.describe_certificate(certificateId=identity)["certificateDescription"]
        return str(found["status"]) == "ACTIVE"
    return False


class CertificateMaker:
    """Creates inactive certificates, and notes them under a step of a core.

    A repeated call of the API would create another one, so it is noted at once, and activated only
    when its key is saved.
    """

    def __init__(self, iot: Any, journal: Journal) -> None:
        self._iot = iot
        self._journal = journal

    def obtain(self, core: str, step: str, keys: KeyFolder, request: Path | None) -> dict[str, str]:
        """Return id and ARN of the certificate that is noted, or of a new one.

        With a ``request`` the key is on the device, else AWS IoT creates it.

        Raises:
            MliError: if the files in ``keys`` are not those of the certificate.
        """
        self.check(core, step, keys, request)
        noted: dict[str, str] | None = self._journal.get(core, step)
        if noted is None:
            self._journal.begin()
            keys.prepare()
            noted = self._unnoted(keys) or self._create(request, keys)
            self._journal.note(core, step, noted)
        return noted

    def check(self, core: str, step: str, keys: KeyFolder, request: Path | None) -> None:
        """Check that there are no files by which ``obtain`` refuses; nothing is changed.

        Raises:
            MliError: if there are.
        """
        if self._journal.get(core, step) is None and not keys.certificate.exists():
            _check_lone_key(keys, request)
        else:
            _check_files(core, keys, request)

    def _create(self, request: Path | None, keys: KeyFolder) -> dict[str, str]:
        if request is not None:
            created = self._iot.create_certificate_from_csr(
                certificateSigningRequest=request.read_text(), setAsActive=False
            )
        else:
            created = self._iot.create_keys_and_certificate(setAsActive=False)
        try:
            if request is None:
                keys.write_key(created["keyPair"]["PrivateKey"].encode())
            keys.write_certificate(created["certificatePem"].encode())
        except OSError:  # such as a full disk: nobody can use what is not saved
            with contextlib.suppress(botocore.exceptions.ClientError):
                self._iot.delete_certificate(certificateId=created["certificateId"])
            raise
        return {"id": created["certificateId"], "arn": created["certificateArn"]}

    def _unnoted(self, keys: KeyFolder) -> dict[str, str] | None:
        """Return a certificate whose files were written, but which the journal does not have.

        Of an interruption between the two files only the key is left. It is renamed, because no
        call of the API returns its certificate.
        """
        if not keys.certificate.exists():
            if keys.private_key.exists():
                keys.retire_key()
            return None
        identity = keyfiles.certificate_id(keys.certificate.read_bytes())
        found = self._iot.describe_certificate(certificateId=identity)
        about = found["certificateDescription"]
        return {"id": about["certificateId"], "arn": about["certificateArn"]}


def _check_lone_key(keys: KeyFolder, request: Path | None) -> None:
    """Check that a key without a certificate is one that AWS IoT has created."""
    if keys.private_key.exists() and (request is not None or keys.request.exists()):
        raise MliError(f"{keys.private_key} has no certificate: move it away")


def _check_files(core: str, keys: KeyFolder, request: Path | None) -> None:
    """Check that the certificate is for the key of the ``request``, or for the one in the folder.

    Raises:
        MliError: if it is for another one, or one of them is missing.
    """
    if not keys.certificate.exists():
        raise MliError(
            f"{keys.certificate} is missing, but the journal has its certificate: restore "
            f"{keys.path}, or remove the core and add it again"
        )
    pem = keys.certificate.read_bytes()
    if request is None:
        if not keys.private_key.exists():
            raise MliError(
                f"there is no {keys.private_key}: the key of {core} is on the device. Give its "
                "signing request, as for the certificate"
            )
        keyfiles.check_pair(pem, keys.private_key.read_bytes(), str(keys.path))
        return
    certificate = keyfiles.load_certificate(pem, str(keys.certificate))
    wanted = keyfiles.load_request(request.read_bytes(), str(request)).public_key()
    if keyfiles.public_bytes(certificate.public_key()) != keyfiles.public_bytes(wanted):
        raise MliError(
            f"the certificate of {core} is for another key than {request}: `mli fleet rotate "
            f"{core} --request {request}` gives it a new one"
        )
