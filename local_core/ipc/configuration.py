"""The configuration of the components on a core: read, merged, and watched."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import LocalCoreError

KeyPath = tuple[str, ...]
Listener = Callable[[str, KeyPath], None]
"""Called with the component and the path of one leaf that changed."""


class KeyNotFoundError(LocalCoreError, KeyError):
    """No component of that name, or no such key in its configuration."""


@dataclass(frozen=True, eq=False)
class _Watch:
    component: str
    key_path: KeyPath
    listener: Listener


class ConfigurationStore:
    """Each component's configuration, a JSON object. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._configurations: dict[str, dict[str, Any]] = {}
        self._watches: list[_Watch] = []

    def put(self, component: str, configuration: Mapping[str, Any]) -> None:
        """Set the whole configuration of ``component``, as a deployment does before it starts."""
        with self._lock:
            self._configurations[component] = copy.deepcopy(dict(configuration))

    def replace(self, component: str, configuration: Mapping[str, Any]) -> None:
        """Set the whole configuration; listeners are called per leaf that changed or went."""
        with self._lock:
            before = self._configurations.get(component, {})
            after = copy.deepcopy(dict(configuration))
            self._configurations[component] = after
            calls = self._calls(component, _differences(before, after, ()))
        for listener, leaf in calls:
            listener(component, leaf)

    def end_watches(self, component: str) -> None:
        """Call nobody any more for changes of ``component``."""
        with self._lock:
            self._watches = [watch for watch in self._watches if watch.component != component]

    def remove(self, component: str) -> None:
        """Forget a component that is no longer on the core."""
        with self._lock:
            self._configurations.pop(component, None)

    def get(self, component: str, key_path: Sequence[str] = ()) -> Any:
        """Return a copy of the value at ``key_path``.

        Raises:
            KeyNotFoundError: if there is none.
        """
        with self._lock:
            return copy.deepcopy(self._find(component, key_path))

    def merge(self, component: str, key_path: Sequence[str], values: Mapping[str, Any]) -> None:
        """Merge ``values`` into the object at ``key_path``; listeners are called per changed leaf.

        Raises:
            KeyNotFoundError: if there is no such component.
        """
        with self._lock:
            node = self._find(component, ())
            for key in key_path:
                node = _child(node, key)
            changed = _merge(node, copy.deepcopy(dict(values)), tuple(key_path))
            calls = self._calls(component, changed)
        for listener, leaf in calls:
            listener(component, leaf)

    def watch(
        self, component: str, key_path: Sequence[str], listener: Listener
    ) -> Callable[[], None]:
        """Call ``listener`` for each leaf changed at or under ``key_path``; return how to stop.

        Raises:
            KeyNotFoundError: if there is no such component or key.
        """
        watch = _Watch(component, tuple(key_path), listener)
        with self._lock:
            self._find(component, key_path)
            self._watches.append(watch)

        def stop() -> None:
            with self._lock:
                if watch in self._watches:
                    self._watches.remove(watch)

        return stop

    def _calls(self, component: str, changed: list[KeyPath]) -> list[tuple[Listener, KeyPath]]:
        return [
            (watch.listener, leaf)
            for leaf in changed
            for watch in self._watches
            if watch.component == component and leaf[: len(watch.key_path)] == watch.key_path
        ]

    def _find(self, component: str, key_path: Sequence[str]) -> Any:
        node: Any = self._configurations.get(component)
        if node is None:
            raise KeyNotFoundError(component)
        for key in key_path:
            if not isinstance(node, dict) or key not in node:
                raise KeyNotFoundError(key)
            node = node[key]
        return node


def _child(node: dict[str, Any], key: str) -> dict[str, Any]:
    child = node.get(key)
    if not isinstance(child, dict):
        child = node[key] = {}
    return child


def _merge(node: dict[str, Any], values: Mapping[str, Any], at: KeyPath) -> list[KeyPath]:
    changed: list[KeyPath] = []
    for key, value in values.items():
        if isinstance(value, dict):
            changed += _merge(_child(node, key), value, (*at, key))
        elif key not in node or node[key] != value:
            node[key] = value
            changed.append((*at, key))
    return changed


def _differences(before: Mapping[str, Any], after: Mapping[str, Any], at: KeyPath) -> list[KeyPath]:
    """Return the paths of the leaves that are not the same in both."""
    found: list[KeyPath] = []
    for key in {**before, **after}:
        old, new = before.get(key), after.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            found += _differences(old, new, (*at, key))
        elif (key in before) != (key in after) or old != new:
            found.append((*at, key))
    return found
