"""For pytest alone: the folder `sandbox/` has the name of its package, and tests of one world share a process.

In importlib mode pytest names a test module by its path (`sandbox.tests.test_x`) and would put an empty package made
from the folder in the place of the real one. The real one, imported first, stays.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

import sandbox  # noqa: F401 - imported for its place in sys.modules

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import LoadScopeScheduling

# A world that lasts a session: every process that gets a test of it would start it.
WORLDS = re.compile(r"tests/e2e/.*[\[-](embedded|production|compose)[\]-]|(tests/gateways)/")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    """`--dist loadfile`, but the tests of one world stay together across files. (xdist's own groups are a suffix of
    the test's id, which this pytest no longer lets it add.)"""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class OneWorldOneProcess(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            world = WORLDS.match(nodeid)
            return nodeid.partition("::")[0] if world is None else world[1] or world[2]

    return OneWorldOneProcess(config, log)
