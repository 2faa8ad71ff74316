from __future__ import annotations

import pytest

from local_core.ipc.topics import filter_matches, is_filter, resource_allows


@pytest.mark.parametrize(
    ("topic_filter", "topic", "matches"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/b/c", False),
        ("a/+/c", "a/b/c", True),
        ("a/+", "a/b/c", False),
        ("+/b", "/b", True),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("#", "a/b", True),
        ("#", "$aws/things/x", False),
        ("+/things", "$aws/things", False),
        ("$aws/#", "$aws/things/x", True),
    ],
)
def test_filter_matches(topic_filter: str, topic: str, matches: bool) -> None:
    assert filter_matches(topic_filter, topic) is matches


@pytest.mark.parametrize("text", ["", "a/#/b", "a+/b", "a/b#", "##"])
def test_misplaced_wildcards_make_no_filter(text: str) -> None:
    assert not is_filter(text)


@pytest.mark.parametrize(
    ("resource", "topic", "allowed"),
    [
        ("*", "a/b", True),
        ("*", "#", True),
        ("a/*", "a/b/c", True),
        ("a*c", "a/b/c", True),
        ("a/+/c", "a/b/c", True),
        ("a/+", "a/b/c", False),
        ("a/+", "a/#", False),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("a/#", "ab", False),
        ("a.c", "abc", False),
        ("a${*}", "a*", True),
        ("a${*}", "ab", False),
        ("a/b", "a/+", False),
        ("a/b", "a/#", False),
    ],
)
def test_resource_allows(resource: str, topic: str, allowed: bool) -> None:
    assert resource_allows(resource, topic) is allowed
