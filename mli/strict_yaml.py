"""YAML that a person has written, in which an object has each key once."""

from __future__ import annotations

from typing import Any

import yaml

from inference.schema import shown

_NOT_TEXT = ("tag:yaml.org,2002:merge", "tag:yaml.org,2002:null")


class _UniqueKeys(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML has no types
    """Refuses an object that has a key twice, of which PyYAML takes the last."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        first: dict[tuple[str, str], yaml.ScalarNode] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            earlier = first.setdefault((key.tag, key.value), key)
            if earlier is not key:
                raise yaml.YAMLError(
                    f"line {key.start_mark.line + 1} has the key {shown(key.value)} again, which "
                    f"line {earlier.start_mark.line + 1} has already: remove one of them"
                )
        return node


class _Texts(_UniqueKeys):
    """Reads each plain value as the text that it is, where others read 0123 as 83; null is null."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's name for it
        first: [(tag, pattern) for tag, pattern in resolvers if tag in _NOT_TEXT]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def strict_yaml(text: str) -> Any:
    """Return the value of a YAML text.

    Raises:
        yaml.YAMLError: if it is not YAML, or has a key twice in an object.
    """
    return yaml.load(text, _UniqueKeys)


def strict_yaml_of_texts(text: str) -> Any:
    """Return the same of a YAML text whose values are names: no number, date or boolean.

    Raises:
        yaml.YAMLError: if it is not YAML, or has a key twice in an object.
    """
    return yaml.load(text, _Texts)
