"""The component's recipe, within the rules that the classic nucleus and nucleus lite share.

Nucleus lite truncates a script at a brace that is not a recipe variable, accepts ``Uri``,
``install`` and ``run`` in exactly this case, and selects a manifest only by ``os`` and ``runtime``
together.
https://docs.aws.amazon.com/greengrass/v2/developerguide/component-recipe-reference.html
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inference.model.engines.runnable import NAMES
from stacks.component.artifacts import Artifact

MAX_RECIPE_BYTES = 8_196
"""Largest recipe that nucleus lite can read."""

INSTALL_TIMEOUT_SECONDS = 1_800
"""Time to install Python packages on a small board; the default, 120 seconds, is too short."""

_DEPENDENCIES = {
    "aws.greengrass.TokenExchangeService": {
        "VersionRequirement": ">=2.0.0 <3.0.0",
        "DependencyType": "SOFT",
    }
}
"""Where the component gets AWS credentials, which only the upload of samples needs.

SOFT, because predictions must go on without them. Nucleus lite makes a HARD dependency a
``BindsTo`` of systemd: when the service of the credentials ends, the component is stopped, and
nothing starts it again. The classic nucleus restarts a component with its HARD dependencies. With
SOFT it still starts the service first, and both nuclei still set the address of the credentials.
"""


@dataclass(frozen=True)
class ComponentContent:
    """Everything that distinguishes one version of a component from another.

    Settings are not part of it: they come with the deployment, and take effect without a new
    version.
    """

    name: str
    code: Artifact
    model: Artifact
    artifacts: Sequence[Artifact]
    profile: str
    runtime: str
    configuration: Mapping[str, object]

    @property
    def digest(self) -> str:
        """What distinguishes this content from any other, but for the bytes of replaceable files.

        A version is immutable, so different content needs another one. Its numbers are derived
        from this digest during deployment (:mod:`custom_resources.artifact_copies`).
        """
        text = json.dumps(self.recipe("", [part.identity for part in self.artifacts]))
        return hashlib.sha256(text.encode()).hexdigest()

    def recipe(self, version: str, uris: Sequence[str]) -> Mapping[str, Any]:
        """Return the recipe of a version whose artifacts are at ``uris``; both may be tokens."""
        return {
            "RecipeFormatVersion": "2020-01-25",
            "ComponentName": self.name,
            "ComponentVersion": version,
            "ComponentType": "aws.greengrass.generic",
            "ComponentDescription": f"Image inference with {NAMES[self.runtime]}",
            "ComponentPublisher": "mli-greengrass",
            "ComponentConfiguration": {"DefaultConfiguration": self.configuration},
            "ComponentDependencies": _DEPENDENCIES,
            "Manifests": [
                {
                    "Platform": {"os": "linux", "runtime": "*"},
                    "Lifecycle": {
                        "install": {
                            "Script": self._script("install"),
                            "Timeout": INSTALL_TIMEOUT_SECONDS,
                        },
                        "run": {"Script": self._script("run")},
                    },
                    "Artifacts": [
                        {
                            "Uri": uri,
                            "Unarchive": "ZIP" if part.unpacked else "NONE",
                            "Permission": {"Read": "OWNER", "Execute": "NONE"},
                        }
                        for part, uri in zip(self.artifacts, uris, strict=True)
                    ],
                }
            ],
        }

    def _script(self, phase: str) -> str:
        return (
            f"python3 {self.code.path}/component.py {phase} --work {{work:path}}"
            f" --model {self.model.path} --profile {self.profile} --runtime {self.runtime}"
        )
