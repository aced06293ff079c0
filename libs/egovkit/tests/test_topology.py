"""The topology file: what it says, what is refused in it, and the broker permissions that follow from it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from egovkit.bus.topology import Permission, QueueSpec, Topology, TopologyInvalid
from egovkit.contracts import contracts_dir


def raw(**changes: Any) -> dict[str, Any]:
    return {"queues": [{"name": "shep.ingress", "owner": "gateway-shep", "writers": ["portal-pep"]}]} | changes


def errors_of(raw_topology: object) -> tuple[str, ...]:
    with pytest.raises(TopologyInvalid) as caught:
        Topology.parse(raw_topology)
    return caught.value.errors


def test_the_queues_and_the_defaults_are_read() -> None:
    topology = Topology.parse(raw())
    assert topology.queues == (QueueSpec("shep.ingress", "gateway-shep", ("portal-pep",)),)
    assert (topology.vhost, topology.delivery_limit, topology.max_length) == ("egov", 5, 100_000)
    assert topology.names == ("shep.ingress", "dead-letters")


def test_the_settings_of_the_file_win_over_the_defaults() -> None:
    topology = Topology.parse(raw(vhost="v", delivery_limit=9, max_length=7, dead_letters="graves"))
    assert (topology.vhost, topology.delivery_limit, topology.max_length) == ("v", 9, 7)
    assert topology.names[-1] == "graves"


def test_a_topology_is_read_from_the_contracts_folder_or_the_file_itself(tmp_path: Path) -> None:
    file = tmp_path / "topology.yaml"
    file.write_text(yaml.safe_dump(raw()), encoding="utf-8")
    assert Topology.load(tmp_path) == Topology.load(file) == Topology.parse(raw())


def test_all_errors_are_told_at_once() -> None:
    errors = errors_of(
        raw(
            vhosts="egov",
            delivery_limit="five",
            max_length=0,
            queues=[
                {"name": "Bad Name", "owner": "x", "writers": []},
                {"name": "a", "owner": "", "writers": [1]},
                {"name": "a", "owner": "x", "writers": "x"},
                {"name": "b", "owner": "x"},
                "c",
                {"name": "dead-letters", "owner": "x", "writers": []},
            ],
        )
    )
    assert errors == (
        "unknown key 'vhosts'",
        "delivery_limit: must be int",
        "max_length: must be 1 or more",
        "queue 1: name 'Bad Name' is not a queue name",
        "queue 2: owner must be a participant's code",
        "queue 2: writers must be a list of participants' codes",
        "queue 3: 'a' is there already",
        "queue 3: writers must be a list of participants' codes",
        "queue 4: must have name, owner and writers, nothing else",
        "queue 5: must have name, owner and writers, nothing else",
        "queue 6: 'dead-letters' is there already",
    )


@pytest.mark.parametrize("wrong", [None, [], "text", 7])
def test_what_is_no_mapping_is_refused(wrong: object) -> None:
    assert errors_of(wrong) == ("the topology is not a mapping",)


def test_a_topology_without_queues_is_refused() -> None:
    assert errors_of({"vhost": "egov"}) == ("queues: missing",)
    assert errors_of({"queues": {}}) == ("queues: must be list",)


def test_true_is_not_a_number_of_deliveries() -> None:
    assert errors_of(raw(delivery_limit=True)) == ("delivery_limit: must be int",)


def test_a_system_may_write_where_it_is_named_and_read_what_it_owns() -> None:
    topology = Topology.parse(
        raw(
            queues=[
                {"name": "shep.ingress", "owner": "gateway-shep", "writers": ["portal-pep"]},
                {"name": "inbox.portal-pep", "owner": "portal-pep", "writers": ["gateway-shep"]},
            ]
        )
    )
    assert topology.permission("portal-pep") == Permission(
        configure="^$", write=r"^(shep\.ingress|dead-letters)$", read=r"^(inbox\.portal-pep)$"
    )


def test_a_stranger_may_write_only_to_the_dead_letters() -> None:
    assert Topology.parse(raw()).permission("nobody") == Permission("^$", "^(dead-letters)$", "^$")


def two_domains(**changes: Any) -> Topology:
    queues = [
        {"name": "shep.ingress", "owner": "gateway-shep", "writers": ["portal-pep"]},
        {"name": "inbox.portal-pep", "owner": "portal-pep", "writers": ["gateway-shep"]},
        {"name": "inbox.provider-arm", "owner": "provider-arm", "writers": ["regional-gateway-rshep"]},
    ]
    return Topology.parse(raw(queues=queues, **changes))


def test_the_owner_of_the_dead_letters_reads_them_and_puts_back_into_its_own_queues_and_those_it_writes_anyway() -> (
    None
):
    topology = two_domains(dead_letters_owner="gateway-shep")
    assert topology.permission("gateway-shep") == Permission(
        configure="^$",
        write=r"^(shep\.ingress|inbox\.portal-pep|dead-letters)$",
        read=r"^(shep\.ingress|dead-letters)$",
    )
    assert topology.written_by("gateway-shep") == ("shep.ingress", "inbox.portal-pep")


def test_nobody_else_reads_the_dead_letters_or_writes_to_its_own_queue() -> None:
    for topology in (two_domains(), two_domains(dead_letters_owner="gateway-shep")):
        assert topology.permission("portal-pep") == Permission(
            configure="^$", write=r"^(shep\.ingress|dead-letters)$", read=r"^(inbox\.portal-pep)$"
        )
    ownerless = two_domains()
    assert not any(re.search(ownerless.permission(code).read, "dead-letters") for code in ("", *ownerless.systems))


def test_who_owns_nothing_but_the_dead_letters_is_a_system_too() -> None:
    assert "undertaker" in two_domains(dead_letters_owner="undertaker").systems
    assert errors_of(raw(dead_letters_owner=7)) == ("dead_letters_owner: must be str",)


def test_a_dot_in_a_name_matches_only_a_dot() -> None:
    write = Topology.parse(raw()).permission("portal-pep").write
    assert re.search(write, "shep.ingress")
    assert not re.search(write, "shepxingress")
    assert not re.search(write, "shep.ingress.more")


def test_the_projects_own_topology_keeps_the_two_domains_apart() -> None:
    """National systems write only to ШЭП's ingress, regional ones only to their region's, one trunk joins them."""
    topology = Topology.load(contracts_dir())
    national = {"portal-pep", "con-arm", "gbd-fl-mock", "enis-mock"}
    regional = {"provider-arm", "registers-mock"}
    assert set(topology.systems) == {*national, *regional, "gateway-shep", "regional-gateway-rshep"}
    by_name = {queue.name: queue for queue in topology.queues}
    assert set(by_name["shep.ingress"].writers) == national
    for name, queue in by_name.items():
        if name.startswith("rshep.") and name.endswith(".ingress"):
            assert (queue.owner, queue.writers) == ("regional-gateway-rshep", ("provider-arm", "registers-mock"))
        if name.startswith("inbox."):
            assert queue.writers in (("gateway-shep",), ("regional-gateway-rshep",))
            assert name == f"inbox.{queue.owner}"
    assert topology.dead_letters_owner == "gateway-shep"
    of_regions = {name for name in by_name if name.startswith("rshep.") and name.endswith(".ingress")}
    of_regions |= {f"inbox.{system}" for system in regional}
    assert set(topology.written_by("gateway-shep")) == set(by_name) - of_regions
    assert by_name["shep.trunk"].writers == ("regional-gateway-rshep",)
    for name in ("rshep.trunk", "rshep.redrive"):
        assert (by_name[name].owner, by_name[name].writers) == ("regional-gateway-rshep", ("gateway-shep",))


def test_a_queue_is_declared_so_that_nothing_is_dropped_and_the_dead_are_kept() -> None:
    topology = Topology.parse(raw(delivery_limit=9, max_length=7))
    assert topology.arguments("shep.ingress") == {
        "x-queue-type": "quorum",
        "x-delivery-limit": 9,
        "x-dead-letter-exchange": "dead-letters",
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
        "x-max-length": 7,
    }
    assert topology.arguments("dead-letters") == {"x-queue-type": "quorum"}
