"""YAML that a person has written, in which an object has each key once."""

from __future__ import annotations

from typing import Any

import yaml

from inference.schema import shown


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


def strict_yaml(text: str) -> Any:
    """Return the value of a YAML text.

    Raises:
        yaml.YAMLError: if it is not YAML, or has a key twice in an object.
    """
    return yaml.load(text, _UniqueKeys)
