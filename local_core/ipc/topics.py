"""MQTT topics, topic filters, and the resources of an access control policy."""

from __future__ import annotations

import re

WILDCARDS = frozenset("+#")


def has_wildcard(topic: str) -> bool:
    """Return whether ``topic`` is a filter and not the name of one topic."""
    return not WILDCARDS.isdisjoint(topic)


def is_filter(text: str) -> bool:
    """Return whether ``text`` is a valid topic filter (MQTT 3.1.1, section 4.7.1)."""
    levels = text.split("/")
    whole = all(level in WILDCARDS or not has_wildcard(level) for level in levels)
    return bool(text) and whole and "#" not in levels[:-1]


def filter_matches(topic_filter: str, topic: str) -> bool:
    """Return whether messages on ``topic`` reach a subscription to ``topic_filter``.

    A leading wildcard does not match topics that begin with ``$`` (MQTT 3.1.1, section 4.7.2).
    """
    if topic.startswith("$") and topic_filter[:1] in WILDCARDS:
        return False
    wanted, levels = topic_filter.split("/"), topic.split("/")
    for position, level in enumerate(wanted):
        if level == "#":
            return True
        if position >= len(levels) or level not in ("+", levels[position]):
            return False
    return len(wanted) == len(levels)


def resource_allows(resource: str, topic: str) -> bool:
    """Return whether a policy's ``resource`` covers ``topic``, which may itself be a filter.

    ``*`` stands for any text, ``+`` for one level, a last ``#`` for all that remain, and ``${c}``
    for the character c itself:
    https://docs.aws.amazon.com/greengrass/v2/developerguide/interprocess-communication.html#ipc-authorization-policies
    """
    return re.fullmatch(_resource_pattern(resource), topic, re.DOTALL) is not None


def _resource_pattern(resource: str) -> str:
    levels = resource.split("/")
    below = levels[-1] == "#"
    if below:
        levels.pop()
    pattern = "/".join(_level_pattern(level) for level in levels)
    if not below:
        return pattern
    return f"{pattern}(/.*)?" if levels else ".*"


def _level_pattern(level: str) -> str:
    if level == "+":
        return "[^/#]*"
    parts = re.findall(r"\$\{(.)\}|(.)", level, re.DOTALL)
    return "".join(
        ".*" if plain == "*" else re.escape(literal or plain) for literal, plain in parts
    )
