"""What will be removed of a core, and what stays because it is not only the core's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from stacks import names

from ...aws import Clients
from ...device.certificates.attachments import OWN_POLICIES
from ...device.stacks.fleet import FleetStack
from ...errors import MliError
from ...listings import listed, principals, thing_groups
from .. import tags
from ..claim_policies import attached_policies, policies_by_claim
from ..journal import CERTIFICATE, IMPORT, ROTATION, Journal
from ..work import absent_is_done

_NO_TAGS: Mapping[str, str] = {}


@dataclass(frozen=True)
class Attached:
    """A certificate of the core, the policies to detach from it, and whether it is deleted."""

    id: str
    arn: str
    policies: Sequence[str]
    is_deleted: bool


@dataclass(frozen=True)
class RemovalPlan:
    """All that will be done to a core. It is written down first, so that nothing is forgotten.

    ``policies`` are deleted unless something else turns out to use them, ``kept`` says in words
    what stays and why.
    """

    thing: str
    is_thing_deleted: bool
    groups: Sequence[str]
    deployments: Sequence[str]
    certificates: Sequence[Attached]
    policies: Sequence[str]
    kept: Sequence[str]

    def to_json(self) -> dict[str, Any]:
        """Return the plan for the journal."""
        return asdict(self)

    @classmethod
    def from_json(cls, noted: Mapping[str, Any]) -> RemovalPlan:
        """Return the plan that a journal has."""
        certificates = tuple(Attached(**one) for one in noted["certificates"])
        return cls(**{**noted, "certificates": certificates})

    def __str__(self) -> str:
        """Name what would be deleted, in one line."""
        gone = [f"thing {self.thing}"] if self.is_thing_deleted else []
        gone += [f"certificate {one.id[:10]}…" for one in self.certificates if one.is_deleted]
        gone += [f"policy {name}" for name in self.policies]
        gone += [f"deployment {one}" for one in self.deployments]
        text = f"leaves {', '.join(self.groups) or 'no group'}"
        if gone:
            text += f"; deleted: {', '.join(gone)}"
        return text + "".join(f"; kept: {one}" for one in self.kept)


def plan_of(clients: Clients, fleet: FleetStack, journal: Journal, core: str) -> RemovalPlan:
    """Return what to remove of a core of the fleet, without changing anything.

    Raises:
        MliError: if the core is not one of the fleet's.
    """
    iot, thing = clients("iot"), names.thing_name(core)
    noted = journal.get(core, CERTIFICATE)
    groups, arns = list[str](), list[str]()
    with absent_is_done():
        groups = thing_groups(iot, thing)
        arns = list(principals(iot, thing))
    ours = [one for one in groups if one in fleet.groups]
    if not ours and not isinstance(noted, dict):
        raise MliError(
            f"{thing} is not in the fleet {fleet.name}: `aws iot list-things-in-thing-group "
            f"--thing-group-name {fleet.name}` lists its things"
        )
    if names.thing_group_name(core) in groups:
        why = f"all of {core}, which has a stack of its own ({names.stack_name(core)})"
        return _of_others(thing, ours, why)
    # A creation that failed because the thing exists has noted a certificate, but not attached it.
    is_noted = isinstance(noted, dict) and noted["arn"] in arns
    is_own_thing = bool(ours) or is_noted
    if not is_own_thing:
        arns = []
    has_certificate = bool(arns)
    for one in (noted, journal.get(core, ROTATION)):
        if isinstance(one, dict) and one["arn"] not in arns:
            arns.append(str(one["arn"]))
    found = {arn: attached_policies(iot, arn) for arn in arns}
    own = {n for n in _own(fleet, core) if journal.get(core, n) is not None}
    attached_somewhere = {pair for pairs in found.values() for pair in pairs}
    of_claim = policies_by_claim(iot, fleet.name, core, (name for name, _ in attached_somewhere))
    marks = _marks(iot, fleet, core, attached_somewhere)
    owner = next((one[tags.FLEET] for one in marks.values() if tags.FLEET in one), fleet.name)
    if owner != fleet.name and not is_noted:  # somebody has put it into this fleet's group too
        return _of_others(thing, ours, f"all of {core}, which is a core of the fleet {owner}")
    # Who has put a thing with a certificate of its own into the group, has created both.
    is_imported = not of_claim and (
        journal.get(core, IMPORT) is not None
        or any(one.get(tags.ORIGIN) == tags.IMPORTED for one in marks.values())
        or (noted is None and has_certificate and not marks)
    )
    marks = {**_of_names(iot, own - marks.keys()), **marks, **dict.fromkeys(of_claim, _NO_TAGS)}
    created = _rotated(journal, core, marks)
    of_others = {n for n, one in marks.items() if one.get(tags.FLEET, fleet.name) != fleet.name}
    policies = (marks.keys() | own) - of_others
    kept = [f"policy {name}, which its tag says is of another fleet" for name in sorted(of_others)]
    certificates = []
    for arn, pairs in found.items():
        attached, others = {name for name, _ in pairs}, _things(iot, arn) - {thing}
        identity = arn.rpartition("/")[2]
        is_deleted = not others and (not is_imported or identity in created)
        if others:
            kept.append(
                f"certificate {identity[:10]}…, which is also that of {', '.join(sorted(others))}"
            )
        if is_deleted:
            foreign = sorted(attached - marks.keys())
            kept += [f"policy {name}, which is not this project's" for name in foreign]
        detached = attached if is_deleted else attached & policies
        certificates.append(Attached(identity, arn, tuple(sorted(detached)), is_deleted))
    if is_imported:
        has_foreign = any(not one.is_deleted for one in certificates)
        what = f"thing {thing}" + (" and its certificate" if has_foreign else "")
        kept.append(f"{what}, which the fleet has not created")
    elif not is_own_thing:
        kept.append(f"thing {thing}, if there is one: it never joined the fleet")
    return RemovalPlan(
        thing=thing,
        is_thing_deleted=is_own_thing and not is_imported,
        groups=tuple(ours),
        deployments=() if is_imported else tuple(_deployments(clients, fleet, thing)),
        certificates=tuple(certificates),
        policies=tuple(sorted(policies)),
        kept=tuple(kept),
    )


def _of_others(thing: str, groups: Sequence[str], why: str) -> RemovalPlan:
    """Return the plan by which a thing only leaves the groups of the fleet."""
    return RemovalPlan(thing, False, groups, (), (), (), (why,))


def _own(fleet: FleetStack, core: str) -> set[str]:
    """Return the names of the policies that a core of the fleet has, or had before an update."""
    return {*fleet.policies_of(core), *(f"{core}_{kind}" for kind in OWN_POLICIES)}


def _marks(
    iot: Any, fleet: FleetStack, core: str, attached: set[tuple[str, str]]
) -> dict[str, Mapping[str, str]]:
    """Return those of the attached policies that have names of this core's, with their tags."""
    own = _own(fleet, core)
    return {name: tags.tags_of(iot, arn) for name, arn in attached if name in own}


def _of_names(iot: Any, policies: set[str]) -> dict[str, Mapping[str, str]]:
    """Return those of the policies that exist, with their tags."""
    found: dict[str, Mapping[str, str]] = {}
    for name in policies:
        with absent_is_done():
            found[name] = tags.tags_of(iot, iot.get_policy(policyName=name)["policyArn"])
    return found


def _rotated(journal: Journal, core: str, marks: Mapping[str, Mapping[str, str]]) -> set[str]:
    """Return the ids of the certificates that rotations have created for an imported core."""
    found = {one for each in marks.values() for one in each.get(tags.ROTATED, "").split()}
    under_way = journal.get(core, ROTATION)
    return found | ({str(under_way["id"])} if isinstance(under_way, dict) else set())


def _things(iot: Any, arn: str) -> set[str]:
    with absent_is_done():
        return set(map(str, listed(iot, "list_principal_things", "things", principal=arn)))
    return set()


def _deployments(clients: Clients, fleet: FleetStack, thing: str) -> list[str]:
    """Return the deployments to the thing itself; those to its group are not only its."""
    arn = f"{fleet.group_arn.rpartition(':')[0]}:thing/{thing}"
    return deployments_to(clients("greengrassv2"), arn)


def deployments_to(greengrass: Any, target: str) -> list[str]:
    """Return the ids of all deployments to a target, also those that others have replaced."""
    found = listed(
        greengrass, "list_deployments", "deployments", targetArn=target, historyFilter="ALL"
    )
    return [str(one["deploymentId"]) for one in found]
