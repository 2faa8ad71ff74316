"""Which process gets which test modules next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xdist.scheduler import LoadFileScheduling

TOGETHER = ("tests/stacks/",)
"""Folders that one process tests: each would compile the CDK's library and its rules again."""
_DEPLOYMENTS = "tests/e2e/"
_DEPLOYING = 3
_STARTS_AT = 2
"""A process begins a test when it knows the next one, or that there is none."""


class ByModule(LoadFileScheduling):  # type: ignore[misc] # xdist has no types
    """Gives a process a module, or a folder of ``TOGETHER``, and few of them deployments.

    Those wait for most of their time. If all processes waited, the processors would have no work.

    What a crashed process has not done goes to others, or to the one that replaces it. xdist 3.8
    also hands out the modules that were done: a process that gets one has nothing to report, so it
    is never given more, and the run never ends.
    """

    def _split_scope(self, nodeid: str) -> str:
        """Return the module or the folder whose tests go to one process."""
        module: str = super()._split_scope(nodeid)
        return next(filter(module.startswith, TOGETHER), module)

    def remove_node(self, node: Any) -> str | None:
        """Queue what a process leaves undone; return the test that it crashed in, if any."""
        work = self.assigned_work.pop(node)
        pending = (test for tests in work.values() for test, done in tests.items() if not done)
        crashed: str | None = next(pending, None)
        for module, tests in work.items():
            if crashed in tests:
                tests[crashed] = True  # it is reported as failed, and would crash the next one
            if not all(tests.values()):
                self.workqueue[module] = tests
        if crashed is not None:
            for other in self.assigned_work:
                self._reschedule(other)
        return crashed

    def _reschedule(self, node: Any) -> None:
        if node not in self.registered_collections:
            return  # it is asked again when it has collected its tests
        super()._reschedule(node)
        while not node.shutting_down and self._pending_of(self.assigned_work[node]) < _STARTS_AT:
            if self.workqueue:
                self._assign_work_unit(node)
            else:
                node.shutdown()

    def _assign_work_unit(self, node: Any) -> None:
        deploying = sum(map(_deploys, self.assigned_work.values()))
        wanted = deploying < _DEPLOYING
        for module in self.workqueue:
            if module.startswith(_DEPLOYMENTS) == wanted:
                self.workqueue.move_to_end(module, last=False)
                break
        super()._assign_work_unit(node)


def _deploys(work: Mapping[str, Mapping[str, bool]]) -> bool:
    """Return if a process has tests of whole deployments before it: by module, which are done."""
    return any(
        not all(tests.values()) for name, tests in work.items() if name.startswith(_DEPLOYMENTS)
    )
