"""The policies of a core that came by claim, which AWS IoT names by a hash and does not tag."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from stacks import names

from ..device.certificates.attachments import POLICY_OF_A_TEMPLATE
from ..listings import listed
from .work import absent_is_done

_ARN = re.compile(r'arn:[^"\s]+')


def attached_policies(iot: Any, certificate_arn: str) -> list[tuple[str, str]]:
    """Return the names and ARNs of a certificate's policies; none if there is no such one."""
    with absent_is_done():
        found = listed(iot, "list_attached_policies", "policies", target=certificate_arn)
        return [(str(one["policyName"]), str(one["policyArn"])) for one in found]
    return []


def policies_by_claim(iot: Any, fleet_name: str, core: str, attached: Iterable[str]) -> set[str]:
    """Return those of a core's policies that the provisioning template of this fleet has created.

    There are none if the core came in another way: also where somebody else's template has created
    it, whose policies have a hash for a name too, but do not name the role alias of the fleet.
    """
    named = {}
    for policy in attached:
        if POLICY_OF_A_TEMPLATE.fullmatch(policy):
            document = iot.get_policy(policyName=policy)["policyDocument"]
            arns = (arn.rstrip("*").split("/") for arn in _ARN.findall(document))
            named[policy] = {part for parts in arns for part in parts}
    own, alias = {core, names.thing_name(core)}, names.fleet_role_alias_name(fleet_name)
    of_core = {policy for policy, parts in named.items() if not own.isdisjoint(parts)}
    return of_core if any(alias in named[policy] for policy in of_core) else set()


def came_by_claim(iot: Any, fleet_name: str, core: str, certificate_arns: Iterable[str]) -> bool:
    """Tell by the policies of a core's certificates whether this fleet's template created it."""
    attached = {name for arn in certificate_arns for name, _ in attached_policies(iot, arn)}
    return bool(policies_by_claim(iot, fleet_name, core, attached))
