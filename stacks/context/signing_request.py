"""Certificate signing requests: the request in a text, and whether AWS IoT takes its key.

A reader of just enough DER: the app does without a library for certificates.
"""

import base64
import binascii
import re
from dataclasses import dataclass

COMMAND = (
    "openssl req -new -newkey rsa:2048 -nodes -keyout private.pem.key -out core.csr -subj /CN=core"
)
"""Creates a key and a request that AWS IoT takes."""

NOT_PEM = "must be the path of a certificate signing request in PEM form"
_DAMAGED = "holds a request that is cut short or damaged"

_TITLE = "CERTIFICATE REQUEST-----"
_REQUEST = re.compile(rf"-----BEGIN {_TITLE}\s+([A-Za-z0-9+/=\s]+?)\s+-----END {_TITLE}")

_INTEGER, _BITS, _OID, _SEQUENCE = 0x02, 0x03, 0x06, 0x30

_MIN_RSA_BITS = 2_048
_RSA = bytes.fromhex("2a864886f70d010101")
_EC = bytes.fromhex("2a8648ce3d0201")
_CURVES = {
    bytes.fromhex("2a8648ce3d030107"): "P-256",
    bytes.fromhex("2b81040022"): "P-384",
    bytes.fromhex("2b81040023"): "P-521",
}


def read_request(text: str) -> str:
    """Return only the request in ``text``, as PEM, if AWS IoT can create a certificate from it.

    https://docs.aws.amazon.com/iot/latest/apireference/API_CreateCertificateFromCsr.html

    Raises:
        ValueError: with the rule that the text breaks.
    """
    if "PRIVATE KEY-----" in text:
        raise ValueError("holds a private key, which must stay on the device: give the request")
    # `openssl req -newhdr` and Windows write the same request under an older title.
    found = _REQUEST.search(text.replace(f" NEW {_TITLE}", f" {_TITLE}"))
    if found is None:
        raise ValueError(NOT_PEM)
    try:
        der = base64.b64decode("".join(found[1].split()), validate=True)
    except binascii.Error:
        raise ValueError("holds a request whose base64 text is damaged") from None
    key, accepted = _key_of(der)
    if not accepted:
        curves = ", ".join(_CURVES.values())
        raise ValueError(
            f"holds a request for {key}; AWS IoT takes RSA from {_MIN_RSA_BITS} bits and {curves}: "
            f"create one with `{COMMAND}`"
        )
    body = base64.encodebytes(der).decode().replace("\n", "")
    lines = [body[start : start + 64] for start in range(0, len(body), 64)]
    return "\n".join([f"-----BEGIN {_TITLE}", *lines, f"-----END {_TITLE}", ""])


@dataclass(frozen=True)
class _Element:
    """One element of DER: its tag, its content, and the bytes after it."""

    tag: int
    content: bytes
    rest: bytes


def _key_of(der: bytes) -> tuple[str, bool]:
    """Return the kind of a request's key, such as ``RSA-2048``, and whether AWS IoT takes it.

    https://www.rfc-editor.org/rfc/rfc2986#section-4.1
    """
    request = _element(der, _SEQUENCE)
    if request.rest:
        raise ValueError(_DAMAGED)
    information = _element(request.content, _SEQUENCE)
    _whole_signature(information.rest)
    version = _element(information.content, _INTEGER)
    subject = _element(version.rest, _SEQUENCE)
    public_key = _element(subject.rest, _SEQUENCE)
    algorithm = _element(public_key.content, _SEQUENCE)
    name = _element(algorithm.content, _OID)
    bits = _element(algorithm.rest, _BITS).content[1:]
    if name.content == _RSA:
        modulus = _element(_element(bits, _SEQUENCE).content, _INTEGER).content
        size = int.from_bytes(modulus).bit_length()
        return f"RSA-{size}", size >= _MIN_RSA_BITS
    if name.content != _EC:
        return f"a key of the algorithm {_name_of(name.content)}", False
    curve = _element(name.rest, _OID).content
    return _CURVES.get(curve) or f"a key on the curve {_name_of(curve)}", curve in _CURVES


def _whole_signature(der: bytes) -> None:
    """Check that the algorithm and the bits of a signature are there, and nothing after them."""
    if _element(_element(der, _SEQUENCE).rest, _BITS).rest:
        raise ValueError(_DAMAGED)


def _element(der: bytes, tag: int) -> _Element:
    """Read the first element of ``der``, which must have this tag and be whole."""
    if len(der) < 2 or der[0] != tag:
        raise ValueError(_DAMAGED)
    size, start = der[1], 2
    if size & 0x80:
        start = 2 + (size & 0x7F)
        size = int.from_bytes(der[2:start])
    if start == 2 + 0x80 or len(der) < start + size:
        raise ValueError(_DAMAGED)
    return _Element(tag, der[start : start + size], der[start + size :])


_NAMES = {
    "1.3.101.112": "Ed25519",
    "1.3.101.113": "Ed448",
    "1.3.132.0.10": "secp256k1",
    "1.2.840.10040.4.1": "DSA",
    "1.2.840.113549.1.1.10": "RSASSA-PSS",
}


def _name_of(oid: bytes) -> str:
    """Return the name of an object identifier, or its numbers."""
    numbers, value = [], 0
    for byte in oid:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(value)
            value = 0
    first = min(numbers[0] // 40, 2) if numbers else 0
    head = [first, numbers[0] - 40 * first] if numbers else []
    dotted = ".".join(map(str, [*head, *numbers[1:]]))
    return _NAMES.get(dotted, dotted)
