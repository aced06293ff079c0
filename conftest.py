"""For pytest alone: the folder `sandbox/` has the name of its package, and tests of one world share a process.

In importlib mode pytest names a test module by its path (`sandbox.tests.test_x`) and would put an empty package made
from the folder in the place of the real one. The real one, imported first, stays.
"""

import pytest

import sandbox  # noqa: F401 - imported for its place in sys.modules


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """For `--dist loadgroup`: a world that lasts a session would be started by every process that gets a test of it."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_world_of(item)))


def _world_of(item: pytest.Item) -> str:
    if "gateways" in getattr(item, "fixturenames", ()):
        return "gateways"
    call = getattr(item, "callspec", None)
    world = call.params.get("world") if call is not None else None
    return world if isinstance(world, str) else item.nodeid.partition("::")[0]
