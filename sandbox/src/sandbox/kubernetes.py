"""contracts/topology.yaml as objects of RabbitMQ's messaging topology operator (k8s/base/broker-topology.yaml).

A user's password is the Secret `<system>-broker`, made by the operators of the deployment (docs/howto/deploy.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from egovkit.bus.topology import Topology

API = "rabbitmq.com/v1beta1"
CLUSTER = {"rabbitmqClusterReference": {"name": "rabbitmq"}}
HEAD = "# Made by `egov bootstrap topology` from contracts/topology.yaml; tests/test_drift_deploy.py compares.\n"


def broker_objects(topology: Topology) -> Iterator[dict[str, Any]]:
    """The vhost, then the users with their rights, then exchange, queue and binding of every queue."""
    yield _object("Vhost", topology.vhost, {"name": topology.vhost})
    for system in topology.systems:
        right = topology.permission(system)
        yield _object("User", system, {"importCredentialsSecret": {"name": f"{system}-broker"}})
        permissions = {"configure": right.configure, "write": right.write, "read": right.read}
        yield _object(
            "Permission",
            system,
            {"vhost": topology.vhost, "userReference": {"name": system}, "permissions": permissions},
        )
    for name in topology.names:
        lasting = {"name": name, "vhost": topology.vhost, "durable": True, "autoDelete": False}
        arguments = {key: value for key, value in topology.arguments(name).items() if key != "x-queue-type"}
        yield _object("Exchange", name, {**lasting, "type": "fanout"})
        yield _object("Queue", name, {**lasting, "type": "quorum", **({"arguments": arguments} if arguments else {})})
        between = {"source": name, "destination": name, "destinationType": "queue", "routingKey": ""}
        yield _object("Binding", name, {"vhost": topology.vhost, **between})


def to_yaml(objects: Iterator[dict[str, Any]]) -> str:
    return HEAD + yaml.safe_dump_all(objects, explicit_start=True, sort_keys=False)


def _object(kind: str, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """`metadata.name` allows dots and is unique within its kind."""
    assert re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", name), name
    return {"apiVersion": API, "kind": kind, "metadata": {"name": name}, "spec": {**spec, **CLUSTER}}
