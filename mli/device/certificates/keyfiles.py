"""A device's key and certificate as files: their places, how they are created and checked.

Nothing here ever overwrites a file, and a key is readable by its owner alone from its first byte.
"""

from __future__ import annotations

import hashlib
import os
import re
import ssl
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import certifi
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import NameOID

from ...errors import MliError
from ...files import draft_of

CERTIFICATE = "device.pem.crt"
PRIVATE_KEY = "private.pem.key"
REQUEST = "device.csr"
ROOT_CA = "AmazonRootCA1.pem"
_IGNORE = ".gitignore"

_ROOT_CA_SHA256 = "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e"
_PEM = re.compile("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_PRIVATE, _PUBLIC = 0o600, 0o644

_LEAST_RSA_BITS = 2048
_PROOF = b"signed by whoever has the private key"
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)

KEY_KINDS: dict[str, Callable[[], ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey]] = {
    "ec": lambda: ec.generate_private_key(ec.SECP256R1()),
    "rsa": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
}
"""The keys that AWS IoT signs and every device can use: EC P-256, RSA 2048."""
KEY_CLASSES: dict[str, type] = {"ec": ec.EllipticCurvePrivateKey, "rsa": rsa.RSAPrivateKey}


@dataclass(frozen=True)
class KeyFolder:
    """One device's folder. Only this user can read it, and git ignores what is in it."""

    path: Path

    @property
    def certificate(self) -> Path:
        """The certificate's file, PEM."""
        return self.path / CERTIFICATE

    @property
    def private_key(self) -> Path:
        """The private key's file, PEM."""
        return self.path / PRIVATE_KEY

    @property
    def request(self) -> Path:
        """The certificate signing request's file, PEM."""
        return self.path / REQUEST

    @property
    def root_ca(self) -> Path:
        """The file of the authority that signs AWS IoT's own endpoints, PEM."""
        return self.path / ROOT_CA

    def prepare(self) -> None:
        """Create the folder with mode 0700.

        Raises:
            MliError: if it exists and other users can read it.
        """
        if not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.mkdir(mode=0o700)
            (self.path / _IGNORE).write_text("*\n")
        elif stat.S_IMODE(self.path.stat().st_mode) & 0o077:
            raise MliError(
                f"other users can read {self.path}: `chmod 700 {self.path}`, or give a new --folder"
            )

    @contextmanager
    def prepared(self) -> Iterator[None]:
        """Prepare the folder; remove it again if the block fails and has written nothing there.

        Raises:
            MliError: if it exists and other users can read it.
        """
        created = [one for one in (self.path, *self.path.parents) if not one.exists()]
        self.prepare()
        try:
            yield
        except BaseException:
            if created and [file.name for file in self.path.iterdir()] == [_IGNORE]:
                (self.path / _IGNORE).unlink()
                for folder in created:
                    folder.rmdir()
            raise

    def write_key(self, pem: bytes) -> None:
        """Write a private key, with mode 0600."""
        write_new(self.private_key, pem, _PRIVATE)

    def write_certificate(self, pem: bytes) -> None:
        """Write a certificate."""
        write_new(self.certificate, pem, _PUBLIC)

    def retire_certificate(self, identity: str) -> None:
        """Rename a certificate after its id, so that another one can replace it."""
        self.certificate.rename(self.path / f"{CERTIFICATE}.{identity[:10]}")

    def retire_key(self) -> None:
        """Rename a key that has no certificate after its digest, so that another can replace it."""
        digest = hashlib.sha256(self.private_key.read_bytes()).hexdigest()
        self.private_key.rename(self.path / f"{PRIVATE_KEY}.{digest[:10]}")

    def write_request(self, pem: bytes) -> None:
        """Write a certificate signing request."""
        write_new(self.request, pem, _PUBLIC)

    def write_root_ca(self, other: Path | None) -> None:
        """Write Amazon's root certificate, or the ``other``, unless there is one."""
        if not self.root_ca.exists():
            write_new(self.root_ca, root_certificate(other), _PUBLIC)


def write_new(file: Path, content: bytes, mode: int) -> None:
    """Write a new file, whole or not at all.

    Raises:
        MliError: if it exists.
    """
    with draft_of(file, content, mode) as draft:
        try:
            os.link(draft, file)  # unlike a rename, this fails if the file exists
        except FileExistsError:
            raise MliError(f"{file} already exists, and is not overwritten") from None


def root_certificate(other: Path | None = None) -> bytes:
    """Return the root certificate of AWS IoT's endpoints, PEM; ``other`` is a local cloud's.

    It is taken from certifi's list, by its digest:
    https://docs.aws.amazon.com/iot/latest/developerguide/server-authentication.html

    Raises:
        MliError: if ``other`` holds no certificate.
    """
    if other is not None:
        return load_certificate(other.read_bytes(), str(other)).public_bytes(
            serialization.Encoding.PEM
        )
    for pem in _PEM.findall(Path(certifi.where()).read_text()):
        der = ssl.PEM_cert_to_DER_cert(pem)
        if hashlib.sha256(der).hexdigest() == _ROOT_CA_SHA256:
            return f"{pem}\n".encode()
    raise MliError("certifi does not have Amazon Root CA 1: update certifi, or give --root-ca")


def new_key(kind: str) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    """Return a new private key of one of ``KEY_KINDS``."""
    return KEY_KINDS[kind]()


def key_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    """Return a private key as devices read it: PKCS#8, PEM, not encrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def signing_request(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, common_name: str) -> bytes:
    """Return a certificate signing request for ``key``, PEM."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])
    request = x509.CertificateSigningRequestBuilder().subject_name(name)
    return request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def load_certificate(pem: bytes, what: str) -> x509.Certificate:
    """Return a certificate; ``what`` names it in the error.

    Raises:
        MliError: if it is not one.
    """
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise MliError(f"{what} is not a certificate in PEM: {error}") from None


def load_request(pem: bytes, what: str) -> x509.CertificateSigningRequest:
    """Return a signing request whose own signature is valid.

    Raises:
        MliError: if it is not one, or if its key is of a kind that AWS IoT does not take.
    """
    try:
        request = x509.load_pem_x509_csr(pem)
        key = request.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise MliError(f"{what} is not a certificate signing request in PEM: {error}") from None
    check_kind(key, what)
    if not request.is_signature_valid:
        raise MliError(f"the signature of {what} is wrong: create the request again")
    return request


def check_kind(key: object, what: str) -> None:
    """Return if AWS IoT signs a public key of this kind.

    https://docs.aws.amazon.com/iot/latest/apireference/API_CreateCertificateFromCsr.html

    Raises:
        MliError: if it does not; ``what`` names the file.
    """
    if isinstance(key, rsa.RSAPublicKey):
        kind, is_taken = f"RSA with {key.key_size} bits", key.key_size >= _LEAST_RSA_BITS
    elif isinstance(key, ec.EllipticCurvePublicKey):
        kind, is_taken = f"EC on the curve {key.curve.name}", isinstance(key.curve, _CURVES)
    else:
        kind, is_taken = type(key).__name__.removesuffix("PublicKey").lstrip("_"), False
    if not is_taken:
        raise MliError(
            f"the key of {what} is {kind}, which AWS IoT does not take: use RSA from "
            f"{_LEAST_RSA_BITS} bits, or EC on P-256, P-384 or P-521"
        )


def certificate_id(pem: bytes) -> str:
    """Return the id that AWS IoT gives a certificate: the SHA-256 digest of its DER form."""
    certificate = load_certificate(pem, "this")
    der = certificate.public_bytes(serialization.Encoding.DER)
    return hashlib.sha256(der).hexdigest()


def check_pair(certificate_pem: bytes, private_key_pem: bytes, where: str) -> None:
    """Return if a certificate is valid today, and the key is the one that it was created for.

    Raises:
        MliError: naming what is wrong.
    """
    certificate = load_certificate(certificate_pem, f"{where}/{CERTIFICATE}")
    try:
        is_pair = _is_pair(private_key_pem, certificate.public_key())
    except (InvalidSignature, TypeError, ValueError) as error:
        reason = str(error) or "what it signs cannot be verified"
        raise MliError(f"{where}/{PRIVATE_KEY} cannot be read as a key: {reason}") from None
    if not is_pair:
        raise MliError(
            f"{where}: key and certificate do not belong together (their public keys differ)"
        )
    now = datetime.now(UTC)
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise MliError(
            f"{where}/{CERTIFICATE} is valid from {certificate.not_valid_before_utc:%Y-%m-%d} to "
            f"{certificate.not_valid_after_utc:%Y-%m-%d} only; create a new one"
        )


def _is_pair(private_key_pem: bytes, public: CertificatePublicKeyTypes) -> bool:
    """Return whether a private key is that of ``public``.

    If it is RSA, it signs something instead of being checked by OpenSSL: that is a proof too, and
    takes 1 ms instead of 50, of which a list of a thousand cores would notice each.

    Raises:
        InvalidSignature: if it is, but damaged.
        TypeError: if it has a password.
        ValueError: if it is no key, or damaged.
    """
    key: Any = serialization.load_pem_private_key(
        private_key_pem, None, unsafe_skip_rsa_key_validation=True
    )
    if public_bytes(key.public_key()) != public_bytes(public):
        return False
    if isinstance(public, rsa.RSAPublicKey):
        how = (padding.PKCS1v15(), hashes.SHA256())
        public.verify(key.sign(_PROOF, *how), _PROOF, *how)
    return True


def public_bytes(key: CertificatePublicKeyTypes) -> bytes:
    """Return a public key in its DER form, by which keys are compared."""
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
