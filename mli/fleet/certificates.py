"""Certificates of a fleet's cores, created once: each is noted, with its key on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..device.certificates import keyfiles
from ..device.certificates.keyfiles import KeyFolder
from ..errors import MliError
from .journal import Journal


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
        noted = self._journal.get(core, step)
        if isinstance(noted, dict):
            if not keys.certificate.exists():
                raise MliError(
                    f"{keys.certificate} is missing, but the journal has its certificate"
                )
            return noted
        keys.prepare()
        noted = self._unnoted(request, keys) or self._create(request, keys)
        self._journal.note(core, step, noted)
        return noted

    def _create(self, request: Path | None, keys: KeyFolder) -> dict[str, str]:
        if request is not None:
            created = self._iot.create_certificate_from_csr(
                certificateSigningRequest=request.read_text(), setAsActive=False
            )
        else:
            created = self._iot.create_keys_and_certificate(setAsActive=False)
            keys.write_key(created["keyPair"]["PrivateKey"].encode())
        keys.write_certificate(created["certificatePem"].encode())
        return {"id": created["certificateId"], "arn": created["certificateArn"]}

    def _unnoted(self, request: Path | None, keys: KeyFolder) -> dict[str, str] | None:
        """Return a certificate whose files were written, but which the journal does not have.

        Raises:
            MliError: if there is only a key, or a key of another certificate.
        """
        if not keys.certificate.exists():
            if keys.private_key.exists():
                raise MliError(f"{keys.private_key} has no certificate: move it away")
            return None
        pem = keys.certificate.read_bytes()
        if request is None:
            keyfiles.check_pair(pem, keys.private_key.read_bytes(), str(keys.path))
        found = self._iot.describe_certificate(certificateId=keyfiles.certificate_id(pem))
        about = found["certificateDescription"]
        return {"id": about["certificateId"], "arn": about["certificateArn"]}
