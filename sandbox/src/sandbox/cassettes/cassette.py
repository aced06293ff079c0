"""A cassette: one YAML file with the envelopes of one system, in order, readable and mendable by hand.

No signature, receipt or key is in it: whoever plays it signs anew, with the key the system has in that deployment.
contracts/schemas/cassette.schema.json says its shape.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml

from egovkit import strictjson
from egovkit.envelope import Envelope
from egovkit.errors import EgovError

if TYPE_CHECKING:
    from egovkit.messages import MessageRegister
    from egovlaw.documents import Document, Fault

FORMAT = 1
SCHEMA = "schemas/cassette.schema.json"
# Of the data of what comes in: the sender's own journal, the official's login, the person's signature over a document
# with its own moment. Written into every cassette, where people mend it.
IGNORED = ("trail", "official", "document", "signature", "attachments.*.sha256")

Direction = Literal["in", "out"]
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class CassetteInvalid(Exception):
    """It cannot be played; every reason with its line."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One envelope. `direction`: to the system or from it; `at`: seconds since the recording began; `answers`: the
    number of the entry this one was said to, None when the system spoke first."""

    n: int
    direction: Direction
    at: float
    queue: str
    envelope: dict[str, Any]
    answers: int | None = None

    @property
    def name(self) -> str:
        """The message's name, as query.person."""
        return short(self.envelope["type"])

    def document(self) -> dict[str, Any]:
        said_to = {} if self.answers is None else {"answers": self.answers}
        known = {"n": self.n, "direction": self.direction, **said_to, "at": self.at, "queue": self.queue}
        return {**known, "envelope": self.envelope}


@dataclass(frozen=True, slots=True)
class Cassette:
    """`ignore`: paths below `data` that do not matter when a received envelope is looked for among the recorded."""

    system: str
    contracts: str
    recorded: datetime
    entries: tuple[Entry, ...]
    ignore: tuple[str, ...] = IGNORED

    @property
    def requests(self) -> tuple[Entry, ...]:
        """What came to the system."""
        return tuple(one for one in self.entries if one.direction == "in")

    @property
    def openings(self) -> tuple[Entry, ...]:
        """What the system said without having been asked."""
        return tuple(one for one in self.entries if one.direction == "out" and one.answers is None)

    def answers_to(self, request: Entry) -> tuple[Entry, ...]:
        return tuple(one for one in self.entries if one.answers == request.n)

    def text(self) -> str:
        """The file's content. `count` comes last: a file that was cut short lacks it."""
        head = {"cassette": FORMAT, "contracts": self.contracts, "system": self.system, "recorded": _stamp(self)}
        body = {"match": {"ignore": list(self.ignore)}, "entries": [one.document() for one in self.entries]}
        document = {**head, **body, "count": len(self.entries)}
        return str(yaml.dump(document, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=120))


def short(type_: str) -> str:
    return type_.removeprefix("kz.egov.").removesuffix(".v1")


def _stamp(cassette: Cassette) -> str:
    return cassette.recorded.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_cassette(path: Path, contracts: Path) -> Cassette:
    """CassetteInvalid: no file, cut short, of another format or version of the contracts, or of another shape."""
    from egovkit.messages import MessageRegister
    from egovlaw import documents

    if not path.is_file():
        raise CassetteInvalid(f"{path}: no such file")
    document = documents.read_document(path, path.parent)
    if document.errors:
        raise CassetteInvalid(_listed(document.errors) + "\nwas the file cut short?")
    _refuse_others(document, contracts)
    wrong = documents.schema_faults(document, documents.validator_of(contracts / SCHEMA))
    faults = wrong or [*_faults(document, MessageRegister.load(contracts))]
    if faults:
        raise CassetteInvalid(_listed(faults))
    raw = document.value
    entries = tuple(Entry(**one) for one in raw["entries"])
    recorded = datetime.fromisoformat(raw["recorded"])
    return Cassette(raw["system"], raw["contracts"], recorded, entries, tuple(raw["match"]["ignore"]))


def _refuse_others(document: Document, contracts: Path) -> None:
    """Before its shape is looked at: another version's may be another one."""
    from egovkit.contracts import contracts_version

    raw, file = document.value, document.file
    if not isinstance(raw, dict) or "cassette" not in raw:
        raise CassetteInvalid(f"{file}: this is no cassette: it does not begin with `cassette: {FORMAT}`")
    if raw["cassette"] != FORMAT:
        raise CassetteInvalid(f"{file}: a cassette of format {raw['cassette']}; this egov plays format {FORMAT}")
    if raw.get("contracts") != (ours := contracts_version(contracts)):
        theirs = raw.get("contracts", "-")
        raise CassetteInvalid(f"{file}: recorded by the contracts of version {theirs}; these are {ours}: record anew")
    entries = raw.get("entries")
    if "count" not in raw or not isinstance(entries, list) or len(entries) != raw["count"]:
        there = len(entries) if isinstance(entries, list) else 0
        raise CassetteInvalid(
            f"{file}: cut short: `count` says {raw.get('count', 'nothing')}, {there} entries are there"
        )


def _faults(document: Document, register: MessageRegister) -> Iterator[Fault]:
    """What no schema says: envelopes of the bus, of this system, each answer to something that came before it."""
    from egovlaw.documents import Fault

    system, came = document.value["system"], set[int]()
    for index, one in enumerate(document.value["entries"]):
        for text in _wrong(one, index + 1, system, came, register):
            yield Fault(document.file, document.line(("entries", index)), f"entry {index + 1}: {text}")
        if one["direction"] == "in":
            came.add(one["n"])


def _wrong(one: dict[str, Any], number: int, system: str, came: set[int], register: MessageRegister) -> Iterator[str]:
    envelope = one["envelope"]
    if one["n"] != number:
        yield f"its n is {one['n']}: entries are numbered from 1 in their order"
    side = "recipient" if one["direction"] == "in" else "source"
    if envelope.get(side) != system:
        yield f"its {side} is {envelope.get(side)}, not {system}"
    if "answers" in one and (one["direction"] == "in" or one["answers"] not in came):
        yield f"answers {one['answers']}, which is nothing that came in before"
    try:
        parsed = Envelope.parse(strictjson.dumps(envelope))
        register.check(parsed.type, parsed.data)
    except EgovError as error:
        yield f"its envelope would be refused with {error.code}{_fields(error.errors)}"


def _fields(errors: Sequence[Any]) -> str:
    return f" ({', '.join(f'{one.field}: {one.code}' for one in errors)})" if errors else ""


def _listed(faults: Sequence[Any]) -> str:
    return "\n".join(f"{one.file}:{one.line}: {one.message}" for one in faults)


def counted(entries: Sequence[Entry]) -> str:
    """As `2 query.person, 1 members.updated`."""
    return ", ".join(f"{count} {name}" for name, count in Counter(one.name for one in entries).items()) or "nothing"
