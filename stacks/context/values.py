"""Readers of context values that need more than a pattern: requests, buckets, addresses, JSON."""

import ipaddress
import re
from pathlib import Path

from inference.feedback import configuration as feedback
from inference.feedback.configuration import FeedbackConfigurations
from inference.schema import ConfigurationError, Fault, choice
from stacks.context import buckets, signing_request
from stacks.context.actions import LabelAction, parse_actions
from stacks.context.components import OtherComponent, parse_components
from stacks.context.rollout import Rollout

_VERSION = choice("1", "2")
_BUCKET_ARN = re.compile(r"\Aarn:aws[a-z-]*:s3:::")
_PORT = choice("8883", "443")
_PROXY = re.compile(
    r"https?://(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])"
    r"(?::(?P<port>[0-9]{1,5}))?",
)
_HIGHEST_PORT = 65_535
_MAX_FILE_BYTES = 65_536
_JSON_BEGINS = ("{", "[")
"""Both, also where one is wrong: "must be a list" helps more than "there is no such file"."""


def greengrass_version(value: object) -> int:
    """Read the number of a generation of AWS IoT Greengrass."""
    return int(_VERSION(value))


def mqtt_port(value: object) -> int:
    """Read the port to which a core connects."""
    return int(_PORT(value))


def network_proxy(value: object) -> str:
    """Read the URL of a proxy for HTTP.

    Raises:
        ValueError: with the rule that the value breaks.
    """
    if isinstance(value, str) and "@" in value:
        raise ValueError(
            "must have no user and password, which anyone who can read the stack could see: add "
            "them to the configuration on the device"
        )
    found = _PROXY.fullmatch(value) if isinstance(value, str) else None
    if found is None or not 0 < int(found["port"] or 1) <= _HIGHEST_PORT:
        raise ValueError("must be http://HOST:PORT or https://HOST:PORT")
    return found[0]


def certificate_signing_request(value: object) -> str:
    """Read the file of a certificate signing request; return only the request, as PEM.

    Raises:
        ValueError: with the rule that the value breaks.
    """
    return signing_request.read_request(_text_of_file(value, signing_request.NOT_PEM))


def bucket(value: object) -> str:
    """Read the name or the ARN of a bucket; return the name."""
    if not isinstance(value, str):
        raise ValueError(f"{buckets.RULE}, or its ARN")
    try:
        return buckets.check_bucket(_BUCKET_ARN.sub("", value))
    except ValueError as error:
        rule = str(error)
        raise ValueError(f"{rule}, or its ARN" if rule == buckets.RULE else rule) from None


def feedback_configuration(value: object) -> FeedbackConfigurations:
    """Read a FeedbackConfigurationMap: its JSON text, the object itself, or the path of a file.

    Raises:
        ValueError: with the rule that the value breaks.
        ConfigurationError: with every fault within the JSON.
    """
    found = FeedbackConfigurations.parse(_json_or_file(value))
    faults = []
    for one in found.all:
        try:
            buckets.check_bucket(one.bucket or "none-yet")
        except ValueError as error:
            key = f"{feedback.KEY}.{one.id}.s3-bucket-name"
            faults.append(Fault(key, one.bucket, str(error), "my-feedback-bucket"))
    if faults:
        raise ConfigurationError(faults)
    return found


def components(value: object) -> tuple[OtherComponent, ...]:
    """Read components: ``name=version`` pairs, JSON, or the path of a file with JSON.

    Raises:
        ValueError: with the rule that the value breaks.
        ConfigurationError: with every fault within the value.
    """
    if isinstance(value, str) and "=" in value:
        return parse_components(value)
    rule = "must be name=version, separated by commas, or JSON, or the path of a file with it"
    return parse_components(_json_or_file(value, rule))


def rollout(value: object) -> Rollout:
    """Read a rollout: its JSON text, the object itself, or the path of a file.

    Raises:
        ValueError: with the rule that the value breaks.
        ConfigurationError: with every fault within the JSON.
    """
    return Rollout.parse(_json_or_file(value))


def actions(value: object) -> tuple[LabelAction, ...]:
    """Read actions on predictions: their JSON text, the list itself, or the path of a file.

    Raises:
        ValueError: with the rule that the value breaks.
        ConfigurationError: with every fault within the JSON.
    """
    return parse_actions(_json_or_file(value))


def _json_or_file(
    value: object, rule: str = "must be JSON text, or the path of a file with it"
) -> object:
    """Return the text of the file that ``value`` names, unless it is JSON, or no text."""
    if not isinstance(value, str) or value.lstrip().startswith(_JSON_BEGINS):
        return value
    return _text_of_file(value, rule)


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
