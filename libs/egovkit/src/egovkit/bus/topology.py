"""The broker's queues and who may touch them, read from contracts/topology.yaml.

Every queue Q has a fanout exchange of the same name bound to it, and publishing to Q means publishing to
exchange Q: so the right to write is given per queue, by RabbitMQ's own permissions, and a system can't reach
a queue that does not name it among its writers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from egovkit.contracts import read_yaml

FILE_NAME = "topology.yaml"
NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,120}")  # AMQP allows 255 bytes; the name is also a metric label


class TopologyInvalid(Exception):
    """The file can't be a topology; `errors` has every reason at once."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__("; ".join(errors))
        self.errors = tuple(errors)


@dataclass(frozen=True, slots=True)
class QueueSpec:
    """One queue: who reads it, who may write to it."""

    name: str
    owner: str
    writers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Permission:
    """RabbitMQ's three regular expressions for one user in the vhost."""

    configure: str
    write: str
    read: str


@dataclass(frozen=True, slots=True)
class Topology:
    """All queues of one vhost."""

    queues: tuple[QueueSpec, ...]
    vhost: str = "egov"
    delivery_limit: int = 5  # returns a message survives: it is delivered at most limit + 1 times
    max_length: int = 100_000  # waiting messages; beyond it publishes are rejected, nothing is dropped
    dead_letters: str = "dead-letters"
    dead_letters_owner: str = ""  # who reads them, keeps them and may put them back

    @classmethod
    def load(cls, contracts: Path) -> Topology:
        """Read `topology.yaml` of the contracts folder (or the file itself). Raises TopologyInvalid."""
        path = contracts / FILE_NAME if contracts.is_dir() else contracts
        return cls.parse(read_yaml(path))

    @classmethod
    def parse(cls, raw: object) -> Topology:
        """Check and build; raises TopologyInvalid with all errors."""
        if not isinstance(raw, dict):
            raise TopologyInvalid(["the topology is not a mapping"])
        errors = _errors(raw)
        if errors:
            raise TopologyInvalid(errors)
        queues = tuple(QueueSpec(q["name"], q["owner"], tuple(q["writers"])) for q in raw["queues"])
        rest = {key: raw[key] for key in raw if key != "queues"}
        return cls(queues, **rest)

    @classmethod
    def of(cls, *names: str, **settings: Any) -> Topology:
        """Queues without owners or writers, for tests and tools."""
        return cls(tuple(QueueSpec(name, "", ()) for name in names), **settings)

    @property
    def names(self) -> tuple[str, ...]:
        """All queues, the dead letters last."""
        return (*(queue.name for queue in self.queues), self.dead_letters)

    @property
    def systems(self) -> tuple[str, ...]:
        """Every participant that reads or writes something, sorted."""
        codes = {queue.owner for queue in self.queues}.union(*(queue.writers for queue in self.queues))
        codes.add(self.dead_letters_owner)
        return tuple(sorted(codes - {""}))

    def written_by(self, system: str) -> tuple[str, ...]:
        """The queues `system` may write to. Who owns the dead letters puts them back also into queues of its own:
        that gives it nothing it could not do by reading them."""
        puts_back = self._keeps_dead_letters(system)
        return tuple(q.name for q in self.queues if system in q.writers or (puts_back and q.owner == system))

    def arguments(self, name: str) -> dict[str, Any]:
        """With what RabbitMQ declares the queue: quorum, nothing dropped, what can't be processed kept."""
        if name == self.dead_letters:
            return {"x-queue-type": "quorum"}
        return {
            "x-queue-type": "quorum",
            "x-delivery-limit": self.delivery_limit,
            "x-dead-letter-exchange": self.dead_letters,
            "x-dead-letter-strategy": "at-least-once",  # leaves its queue only when it is in the other
            "x-overflow": "reject-publish",  # required by at-least-once; and a full queue loses nothing
            "x-max-length": self.max_length,
        }

    def permission(self, system: str) -> Permission:
        """What the broker user of `system` may do: declare nothing, write where named, read what it owns.

        Writing to the dead letters is everybody's right (DEAD needs it), reading them their owner's.
        """
        reads = [queue.name for queue in self.queues if queue.owner == system]
        if self._keeps_dead_letters(system):
            reads.append(self.dead_letters)
        return Permission("^$", _exactly([*self.written_by(system), self.dead_letters]), _exactly(reads))

    def _keeps_dead_letters(self, system: str) -> bool:
        return system != "" and system == self.dead_letters_owner


def _exactly(names: Sequence[str]) -> str:
    if not names:
        return "^$"
    return "^(" + "|".join(re.escape(name).replace("\\-", "-") for name in names) + ")$"


def _errors(raw: Mapping[str, Any]) -> list[str]:
    known: Mapping[str, type] = {
        "vhost": str, "delivery_limit": int, "max_length": int, "dead_letters": str, "dead_letters_owner": str,
        "queues": list,
    }  # fmt: skip
    errors = [f"unknown key {key!r}" for key in raw if key not in known]
    for key, kind in known.items():
        if key not in raw:
            if key == "queues":
                errors.append("queues: missing")
        elif type(raw[key]) is not kind:
            errors.append(f"{key}: must be {kind.__name__}")
        elif kind is int and raw[key] < 1:
            errors.append(f"{key}: must be 1 or more")
    queues = raw.get("queues")
    if isinstance(queues, list):
        dead_letters = raw.get("dead_letters", Topology.__dataclass_fields__["dead_letters"].default)
        errors.extend(_queue_errors(queues, dead_letters))
    return errors


def _queue_errors(queues: Sequence[object], dead_letters: object) -> list[str]:
    errors: list[str] = []
    seen: set[object] = {dead_letters}
    for position, queue in enumerate(queues, 1):
        if not isinstance(queue, dict) or set(queue) != {"name", "owner", "writers"}:
            errors.append(f"queue {position}: must have name, owner and writers, nothing else")
            continue
        name, owner, writers = queue["name"], queue["owner"], queue["writers"]
        if not isinstance(name, str) or not NAME.fullmatch(name):
            errors.append(f"queue {position}: name {name!r} is not a queue name")
        elif name in seen:
            errors.append(f"queue {position}: {name!r} is there already")
        seen.add(str(name))
        if not isinstance(owner, str) or not owner:
            errors.append(f"queue {position}: owner must be a participant's code")
        if not isinstance(writers, list) or not all(isinstance(code, str) and code for code in writers):
            errors.append(f"queue {position}: writers must be a list of participants' codes")
    return errors
