"""Readers of context values that need more than a pattern: requests, buckets, addresses, JSON."""

import base64
import binascii
import ipaddress
import re
from pathlib import Path

from inference.feedback.configuration import FeedbackConfigurations
from inference.schema import choice

_VERSION = choice("1", "2")
_TITLE = "CERTIFICATE REQUEST-----"
_REQUEST = re.compile(rf"-----BEGIN {_TITLE}\s+([A-Za-z0-9+/=\s]+?)\s+-----END {_TITLE}")
_BUCKET = re.compile(r"(?:arn:aws[a-z-]*:s3:::)?([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])")
_ASN1_SEQUENCE = 0x30
_MAX_FILE_BYTES = 65_536


def greengrass_version(value: object) -> int:
    """Read the number of a generation of AWS IoT Greengrass."""
    return int(_VERSION(value))


def certificate_signing_request(value: object) -> str:
    """Read the file of a certificate signing request; return only the request, as PEM.

    Raises:
        ValueError: with the rule that the value breaks.
    """
    rule = "must be the path of a certificate signing request in PEM form"
    text = _text_of_file(value, rule)
    if "PRIVATE KEY-----" in text:
        raise ValueError("holds a private key, which must stay on the device: give the request")
    # `openssl req -newhdr` and Windows write the same request under an older title.
    found = _REQUEST.search(text.replace(f" NEW {_TITLE}", f" {_TITLE}"))
    if found is None:
        raise ValueError(rule)
    try:
        der = base64.b64decode("".join(found[1].split()), validate=True)
    except binascii.Error:
        raise ValueError("holds a request whose base64 text is damaged") from None
    if not _is_sequence(der):
        raise ValueError("holds a request that is cut short or damaged")
    body = base64.encodebytes(der).decode().replace("\n", "")
    lines = [body[start : start + 64] for start in range(0, len(body), 64)]
    return "\n".join([f"-----BEGIN {_TITLE}", *lines, f"-----END {_TITLE}", ""])


def _is_sequence(der: bytes) -> bool:
    """Return whether ``der`` is one whole ASN.1 sequence of at least 128 bytes, as requests are."""
    if len(der) < 4 or der[0] != _ASN1_SEQUENCE or der[1] not in (0x81, 0x82):
        return False
    size_bytes = der[1] - 0x80
    return int.from_bytes(der[2 : 2 + size_bytes]) == len(der) - 2 - size_bytes


def bucket(value: object) -> str:
    """Read the name or the ARN of a bucket; return the name."""
    found = _BUCKET.fullmatch(value) if isinstance(value, str) else None
    if found is None or ".." in found[1]:
        raise ValueError(
            "must be the name of a bucket, of 3 to 63 lowercase letters, digits, dots or hyphens, "
            "or its ARN"
        )
    return found[1]


def feedback_configuration(value: object) -> FeedbackConfigurations:
    """Read a FeedbackConfigurationMap: its JSON text, the object itself, or the path of a file.

    Raises:
        ValueError: with the rule that the value breaks.
        ConfigurationError: with every fault within the JSON.
    """
    if isinstance(value, str) and not value.lstrip().startswith("{"):
        value = _text_of_file(value, "must be JSON text, or the path of a file with it")
    return FeedbackConfigurations.parse(value)


def network(value: object) -> str:
    """Read the IPv4 network that may reach the simulator; the whole Internet is refused."""
    rule = "must be an IPv4 network such as 203.0.113.7/32, and not the whole Internet"
    if not isinstance(value, str) or "/" not in value:
        raise ValueError(rule)
    try:
        found = ipaddress.IPv4Network(value)
    except ValueError:
        raise ValueError(rule) from None
    if found.prefixlen < 8:
        raise ValueError(rule)
    return str(found)


def _text_of_file(value: object, rule: str) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(rule)
    try:
        path = Path(value).expanduser()
        if not path.is_file():
            raise ValueError(f"{rule}; there is no such file")
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
    except (OSError, RuntimeError, UnicodeError) as error:
        raise ValueError(f"{rule}; it cannot be read ({type(error).__name__})") from None
    if len(content) > _MAX_FILE_BYTES:
        raise ValueError(f"{rule}; the file is over {_MAX_FILE_BYTES} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{rule}; the file is not text") from None
