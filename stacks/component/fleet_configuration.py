"""The configuration that one deployment gives to all cores of a fleet.

Both ways to create a fleet use it: the stack (``thingGroupName``) and the command (``mli fleet``).
"""

from collections.abc import Mapping
from typing import Any

from inference.component.nucleus import ANY_CORE
from inference.settings import FEEDBACK_CONFIGURATION
from stacks import names
from stacks.component.access_control import access_control


def for_all_cores(configuration: Mapping[str, Any], core_name: str) -> dict[str, Any]:
    """Return the ``configuration`` of the core ``core_name``, adapted to every core of a fleet.

    Each core derives its name from its thing's. Its nucleus lets it publish on the topics of every
    core, where the recipe has those of the core ``core_name`` only; the policy of its certificate
    still allows only its own.
    """
    feedback = FEEDBACK_CONFIGURATION.key in configuration
    topics = names.published_topics(ANY_CORE, feedback=feedback)
    return {
        **configuration,
        "coreName": ANY_CORE,
        "accessControl": access_control(names.component_name(core_name), topics),
    }
