"""The cores of a fleet that get each deployment first, and the wait for a verdict about them."""

import hashlib

from aws_cdk import CfnWaitCondition, CfnWaitConditionHandle

from stacks.component.artifact_copies import synthesis_time
from stacks.component.recipe import ComponentContent
from stacks.fleet.group import FleetGroup


class Canary(FleetGroup):
    """A second thing group, whose deployment comes before that of the fleet.

    A core is in one of the two groups: one in both would get two versions of one component, which
    no nucleus can resolve. A subdeployment would allow it, but nucleus lite does not support it.
    """

    def wait(
        self, *, minutes: int, content: ComponentContent, settings_digest: str
    ) -> CfnWaitCondition:
        """Return the wait for the verdict: without one in time, the deployment of the stack fails.

        A wait happens once, when it is created. So each content has one of its own, and a model
        that may be replaced under its key has one at each deployment.
        """
        parts = [content.digest, settings_digest]
        if any(part.is_replaceable for part in content.artifacts):
            parts.append(synthesis_time())
        revision = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]
        handle = CfnWaitConditionHandle(self, f"Handle{revision}")
        return CfnWaitCondition(
            self, f"Verdict{revision}", handle=handle.ref, timeout=str(minutes * 60), count=1
        )
