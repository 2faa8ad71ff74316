"""How the certificate of a camera's server is checked: what stands after ``#`` in its address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:  # reading settings takes less time and memory without it
    import ssl

SCHEMES = ("https", "rtsps")


@dataclass(frozen=True)
class Tls:
    """``verify``: by the device's certificates, or by those in ``ca_file`` alone if it is given."""

    verify: bool = False
    ca_file: str = ""

    def authorities(self) -> str:
        """Return the file with the certificates to trust, which the environment may name."""
        import ssl

        paths = ssl.get_default_verify_paths()
        return self.ca_file or paths.cafile or paths.openssl_cafile

    def context(self) -> ssl.SSLContext:
        """Return the client's side of connections.

        Raises:
            OSError: if ``ca_file`` cannot be used.
        """
        import ssl

        context = ssl.create_default_context(cafile=self.ca_file or None)
        if not self.verify:
            # Many a camera has an old protocol and a short key; this is still better than none.
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
        return context


UNVERIFIED = Tls(verify=False)
VERIFIED = Tls(verify=True)


def parse_tls(fragment: str, scheme: str, default: Tls) -> Tls:
    """Read what stands after ``#`` in the address of a camera.

    Raises:
        ValueError: with the rule.
    """
    if not fragment:
        return default
    name, _, value = fragment.partition("=")
    path = unquote(value)
    if name not in ("tls_verify", "ca_file") or (name == "tls_verify" and value):
        raise ValueError("may have only tls_verify or ca_file=/path after #")
    if scheme not in SCHEMES:
        raise ValueError(f"cannot have {name}: only rtsps:// and https:// have a certificate")
    if name == "ca_file" and not path.startswith("/"):
        raise ValueError("must name ca_file by an absolute path, as it is on the device")
    return Tls(verify=True, ca_file=path)
