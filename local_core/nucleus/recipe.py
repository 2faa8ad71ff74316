"""A component's recipe, as far as a core acts on it.

https://docs.aws.amazon.com/greengrass/v2/developerguide/component-recipe-reference.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import LocalCoreError

DEFAULT_INSTALL_SECONDS = 120.0
"""How long ``install`` may take when the recipe does not say; ``run`` has no limit."""

FORMAT_VERSION = "2020-01-25"
LITE_RUNTIME = "aws_nucleus_lite"


class RecipeError(LocalCoreError, ValueError):
    """A recipe that this core cannot run, with the reason."""


@dataclass(frozen=True)
class Artifact:
    """One file of a component.

    ``digest`` is its SHA-256 in base64, which the service records when the version is created;
    empty in a recipe that was not created there.
    """

    uri: str
    unarchive: bool = False
    executable: bool = False
    digest: str = ""

    @property
    def file_name(self) -> str:
        """The last part of the URI, which is the file's name on the core."""
        return self.uri.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class LifecycleStep:
    """One script of a component's lifecycle, before its variables are substituted."""

    script: str
    timeout: float | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """What a component is on the platforms that ``platform`` describes."""

    platform: Mapping[str, str]
    install: LifecycleStep | None = None
    run: LifecycleStep | None = None
    artifacts: tuple[Artifact, ...] = ()

    def suits(self, device: Mapping[str, str]) -> bool:
        """Return whether a core with the attributes ``device`` can take this manifest.

        A value is exact, ``*``, or a regular expression between slashes. Nucleus lite wants both an
        ``os`` and a ``runtime``, and has no expressions.
        """
        is_lite = device.get("runtime") == LITE_RUNTIME
        if is_lite and not {"os", "runtime"} <= set(self.platform):
            return False
        return all(
            _attribute_suits(value, device.get(key), has_patterns=not is_lite)
            for key, value in self.platform.items()
        )


@dataclass(frozen=True)
class Recipe:
    """One version of one component; ``dependencies`` are version requirements by name."""

    name: str
    version: str
    default_configuration: Mapping[str, Any]
    manifests: tuple[Manifest, ...]
    dependencies: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Recipe:
        """Return the recipe in ``document``.

        Raises:
            RecipeError: if it is not of this format, or a needed part is missing.
        """
        if document.get("RecipeFormatVersion") != FORMAT_VERSION:
            raise RecipeError(f"RecipeFormatVersion must be {FORMAT_VERSION}")
        try:
            configuration = document.get("ComponentConfiguration", {})
            dependencies = document.get("ComponentDependencies") or {}
            return cls(
                name=document["ComponentName"],
                version=document["ComponentVersion"],
                default_configuration=configuration.get("DefaultConfiguration", {}),
                manifests=tuple(_manifest(part, document) for part in document["Manifests"]),
                dependencies=_dependencies(dependencies),
            )
        except KeyError as error:
            raise RecipeError(f"the recipe has no {error.args[0]}") from error

    def manifest_for(self, device: Mapping[str, str]) -> Manifest:
        """Return the first manifest that suits ``device``; the order in the recipe decides.

        Raises:
            RecipeError: if none does.
        """
        for manifest in self.manifests:
            if manifest.suits(device):
                return manifest
        raise RecipeError(f"{self.name} {self.version} has no manifest for {dict(device)}")


def _dependencies(document: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(part.get("VersionRequirement", "")) for name, part in document.items()}


def _attribute_suits(wanted: str, actual: str | None, *, has_patterns: bool) -> bool:
    if wanted in ("*", actual):
        return True
    is_pattern = (
        has_patterns and len(wanted) > 1 and wanted.startswith("/") and wanted.endswith("/")
    )
    return is_pattern and actual is not None and re.fullmatch(wanted[1:-1], actual) is not None


def _manifest(part: Mapping[str, Any], document: Mapping[str, Any]) -> Manifest:
    lifecycle = {**document.get("Lifecycle", {}), **part.get("Lifecycle", {})}
    environment = lifecycle.get("Setenv", {})
    return Manifest(
        platform=part.get("Platform", {}),
        install=_step(lifecycle.get("install"), environment, DEFAULT_INSTALL_SECONDS),
        run=_step(lifecycle.get("run"), environment, None),
        artifacts=tuple(_artifact(artifact) for artifact in part.get("Artifacts", ())),
    )


def _step(
    value: str | Mapping[str, Any] | None, environment: Mapping[str, str], timeout: float | None
) -> LifecycleStep | None:
    """Read a step in either form: the script alone, or an object around it."""
    if value is None:
        return None
    fields: Mapping[str, Any] = {"Script": value} if isinstance(value, str) else value
    own = {**environment, **fields.get("Setenv", {})}
    for name, text in own.items():
        if not isinstance(text, str):  # with nucleus lite the script does not run
            raise RecipeError(f"Setenv of {name} must be a string, not {text!r}")
    limit = fields.get("Timeout", timeout)
    return LifecycleStep(
        script=fields["Script"],
        timeout=None if limit is None else float(limit),
        environment=own,
    )


def _artifact(fields: Mapping[str, Any]) -> Artifact:
    unarchive = str(fields.get("Unarchive", "NONE")).upper()
    if unarchive not in ("NONE", "ZIP"):
        raise RecipeError(f"Unarchive is NONE or ZIP, not {unarchive}")
    execute = str(fields.get("Permission", {}).get("Execute", "NONE")).upper()
    algorithm = fields.get("Algorithm", "SHA-256")
    if algorithm != "SHA-256":
        raise RecipeError(f"the Algorithm of a Digest is SHA-256, not {algorithm}")
    return Artifact(
        uri=fields["Uri"],
        unarchive=unarchive == "ZIP",
        executable=execute != "NONE",
        digest=str(fields.get("Digest", "")),
    )
