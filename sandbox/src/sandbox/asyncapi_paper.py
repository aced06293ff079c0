"""contracts/asyncapi.yaml: the bus for those who build against it.

Made of the topology, the messages and their schemas, the participants and the envelope's own rules: but for the prose
nothing is said here that is not somewhere else already.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from egovkit.bus import DEAD_HEADERS
from egovkit.bus.topology import Topology
from egovkit.contracts import contracts_version, read_yaml
from egovkit.envelope import (
    CONTENT_TYPE,
    MAX_ENVELOPE,
    MAX_RECEIPTS,
    RECEIPT_HEADER,
    SIGNATURE_HEADER,
    TRACE_HEADER,
    json_schema,
)
from egovkit.signatures.jws import ALGORITHMS, ENVELOPE_TYP
from sandbox.contract_examples import conversations, examples

Document = dict[str, Any]
ORIGINS = ("portal", "centre", "provider")
GATEWAYS = ("national_gateway", "regional_gateway")
# How time is judged, by class (decision E1).
CLASSES = {
    "request": "a request: refused once its `expirytime` has passed",
    "submission": "a submission: may be late only at the door of the national gateway; `envelope.accepted` answers it",
    "fact": "a fact: never refused for being late",
    "answer": "an answer: passed on when late, and then not applied; `correlationid` is the question's `id`",
}
ABOUT = f"""\
Systems talk by signed envelopes (CloudEvents 1.0, structured JSON) through the national gateway (ШЭП) and, in the
regions, the regional one (РШЭП). The sender signs the exact bytes: a detached JWS (RFC 7797, `typ` `{ENVELOPE_TYP}`,
`b64` false, `x5t#S256` naming the registered certificate; {", ".join(sorted(ALGORITHMS))}) in the header
`{SIGNATURE_HEADER}`. Each gateway it passes adds a receipt to `{RECEIPT_HEADER}`; a receiver believes nothing without
one, and never re-encodes. The AMQP property message-id is the envelope's `id`.

Every queue has a durable fanout exchange of its own name: to write to the queue is to publish to the exchange,
persistent, with publisher confirms. Nobody but the operator declares anything. Delivery is at least once; what is
known by (`source`, `id`) is done once. `caseseq` numbers the envelopes of one source in one case from 1 without
gaps; 0 stands outside that order. A message that cannot be processed goes to the dead letters.

Readers pass over fields of `data` and codes that they do not know; see docs/reference/compatibility.md. A system that
cannot listen on AMQP uses the HTTP door of its gateway (contracts/openapi/)."""


def document(contracts: Path) -> Document:
    bus = _Bus(contracts)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "The bus of the «electronic government» twin",
            "version": contracts_version(contracts),
            "description": ABOUT,
            "x-limits": bus.limits,
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": bus.servers,
        "channels": bus.channels,
        "operations": dict(sorted(bus.operations.items())),
        "components": {
            "messages": bus.messages,
            "schemas": bus.schemas,
            "correlationIds": {
                "question": {
                    "location": "$message.payload#/correlationid",
                    "description": "The `id` of the envelope that this one answers.",
                }
            },
            "securitySchemes": {
                "certificate": {"type": "X509", "description": "TLS with the system's own certificate, where set up."},
                "password": {"type": "userPassword", "description": "The broker user of the participant's code."},
                "access": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A compact JWS per call, `typ` egov-access+jwt, for at most 60 seconds.",
                },
            },
        },
    }


@dataclass(frozen=True)
class _Bus:
    contracts: Path

    @cached_property
    def topology(self) -> Topology:
        return Topology.load(self.contracts)

    @cached_property
    def entries(self) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = self._yaml("messages.yaml")["messages"]
        return found

    @cached_property
    def kinds(self) -> dict[str, str]:
        """The kind of every participant, by its code."""
        return {one["code"]: one["kind"] for one in self._yaml("participants.yaml")["participants"]}

    @property
    def limits(self) -> Document:
        return {
            "envelopeBytes": MAX_ENVELOPE,
            "receipts": MAX_RECEIPTS,
            "deliveryLimit": self.topology.delivery_limit,
            "queueLength": self.topology.max_length,
        }

    @property
    def servers(self) -> Document:
        ways = [{"$ref": f"#/components/securitySchemes/{name}"} for name in ("certificate", "password")]
        return {
            "broker": {
                "host": "{host}",
                "pathname": f"/{self.topology.vhost}",
                "protocol": "amqp",
                "protocolVersion": "0-9-1",
                "description": "Quorum queues; amqps where the deployment has certificates.",
                "variables": {"host": {"default": "localhost:5672"}},
                "security": ways,
            },
            "door": {
                "host": "{host}",
                "protocol": "http",
                "description": "POST /v1/envelopes, GET /v1/inbox, POST /v1/inbox/ack: the same envelopes and answers.",
                "variables": {"host": {"default": "localhost:8020"}},
                "security": [{"$ref": "#/components/securitySchemes/access"}],
            },
        }

    @property
    def channels(self) -> Document:
        found = {
            queue.name: self._channel(
                queue.name,
                f"Read by {queue.owner}; written to by {', '.join(queue.writers)}.",
                self.carried(queue.writers, queue.owner),
            )
            for queue in self.topology.queues
        }
        dead, keeper = self.topology.dead_letters, self.topology.dead_letters_owner
        what = f"What could not be processed, with {', '.join(DEAD_HEADERS)}. Read by {keeper}; everybody may write."
        return found | {dead: self._channel(dead, what, [entry["name"] for entry in self.entries])}

    def _channel(self, name: str, what: str, carried: Iterable[str]) -> Document:
        queue = {"name": name, "durable": True, "exclusive": False, "autoDelete": False, "vhost": self.topology.vhost}
        return {
            "address": name,
            "description": what,
            "servers": [{"$ref": "#/servers/broker"}],
            "messages": {one: {"$ref": f"#/components/messages/{one}"} for one in carried},
            "bindings": {"amqp": {"is": "queue", "queue": queue, "bindingVersion": "0.3.0"}},
            "x-exchange": {"name": name, "type": "fanout", "durable": True},
            "x-arguments": self.topology.arguments(name),
        }

    @property
    def operations(self) -> Document:
        """Of every kind of participant, what it sends and what it receives; a gateway passes on what others say."""
        found: Document = {}
        for queue in self.topology.queues:
            for writer in queue.writers:
                kind = self.kinds[writer]
                carried = self.carried([writer], queue.owner)
                binding = {"amqp": {"deliveryMode": 2, "mandatory": True, "bindingVersion": "0.3.0"}}
                found[f"{kind}.send.{queue.name}"] = self._operation("send", queue.name, carried, binding)
            kind = self.kinds[queue.owner]
            carried = self.carried(queue.writers, queue.owner)
            binding = {"amqp": {"ack": True, "bindingVersion": "0.3.0"}}
            found[f"{kind}.receive.{queue.name}"] = self._operation("receive", queue.name, carried, binding)
        return found

    def _operation(self, action: str, queue: str, carried: Sequence[str], binding: Document) -> Document:
        kind = "sends to" if action == "send" else "receives from"
        return {
            "action": action,
            "channel": {"$ref": f"#/channels/{queue}"},
            "summary": f"The participant {kind} {queue}.",
            "messages": [{"$ref": f"#/channels/{queue}/messages/{one}"} for one in carried],
            "bindings": binding,
        }

    def carried(self, writers: Iterable[str], owner: str) -> list[str]:
        """What may lie in a queue: between gateways everything passes; to and from others, what their kind says or
        hears."""
        hears = self.kinds[owner]
        says = [self.kinds[writer] for writer in writers]
        return [
            str(entry["name"])
            for entry in self.entries
            if (hears in GATEWAYS or _means(entry["to"], hears))
            and any(kind in GATEWAYS or _means(entry["from"], kind) for kind in says)
        ]

    @property
    def messages(self) -> Document:
        texts, shown = self._yaml("messages/texts.yaml"), examples(conversations(self.contracts))
        return {entry["name"]: self._message(entry, texts[entry["name"]], shown) for entry in self.entries}

    def _message(
        self, entry: Mapping[str, Any], text: Mapping[str, str], shown: Mapping[str, Mapping[str, Any]]
    ) -> Document:
        name, schema = entry["name"], self.data_schema(entry["name"])
        settled = {"type": {"const": self.type_of(entry)}, "dataschema": {"const": schema["$id"]}}
        ask: dict[str, Any] = {"required": ["correlationid"]} if entry["class"] == "answer" else {}
        part = {"properties": {**settled, "data": {"$ref": f"#/components/schemas/{name}"}}, **ask}
        correlated = {"correlationId": {"$ref": "#/components/correlationIds/question"}}
        return {
            "name": self.type_of(entry),
            "title": schema["title"],
            "summary": text["en"],
            "description": f"{CLASSES[entry['class']].capitalize()}.\n\n{text['kk']}\n\n{text['ru']}",
            "contentType": CONTENT_TYPE,
            "headers": {"$ref": "#/components/schemas/headers"},
            "payload": {"allOf": [{"$ref": "#/components/schemas/envelope"}, part]},
            **(correlated if ask else {}),
            "x-class": entry["class"],
            "x-from": entry["from"],
            "x-to": entry["to"],
            "examples": [{"name": name, "summary": "Recorded from a replay", "payload": shown[name]}],
        }

    @property
    def schemas(self) -> Document:
        found = {"headers": _headers(), "envelope": _plain(json_schema())}
        for entry in self.entries:
            found |= _lifted(entry["name"], self.data_schema(entry["name"]))
        return found

    def type_of(self, entry: Mapping[str, Any]) -> str:
        register = self._yaml("messages.yaml")
        return f"{register['prefix']}{entry['name']}.{entry.get('version', register['version'])}"

    def data_schema(self, name: str) -> Document:
        found: Document = json.loads((self.contracts / "messages" / f"{name}.schema.json").read_text(encoding="utf-8"))
        return found

    def _yaml(self, name: str) -> Any:
        return read_yaml(self.contracts / name)


def _means(roles: Iterable[str], kind: str) -> bool:
    """messages.yaml names kinds, the channel's own side, either gateway, or anybody."""
    return any(
        role in (kind, "any") or (role == "origin" and kind in ORIGINS) or (role == "gateway" and kind in GATEWAYS)
        for role in roles
    )


def _headers() -> Document:
    jws = {"type": "string", "pattern": r"^[A-Za-z0-9_-]+\.\.[A-Za-z0-9_-]+$"}
    receipts = {"type": "string", "description": f"Receipts of gateways, comma-separated, at most {MAX_RECEIPTS}."}
    return {
        "type": "object",
        "required": ["content-type", SIGNATURE_HEADER],
        "properties": {
            "content-type": {"type": "string", "const": CONTENT_TYPE},
            SIGNATURE_HEADER: jws | {"description": "Detached JWS of the source over the exact bytes of the body."},
            RECEIPT_HEADER: receipts,
            TRACE_HEADER: {"type": "string", "description": "W3C Trace Context."},
        },
    }


def _plain(schema: Document) -> Document:
    return {name: value for name, value in schema.items() if name not in ("$schema", "$id", "$defs", "x-limits")}


def _lifted(name: str, schema: Document) -> Document:
    """A message's schema and its definitions as components: `#/$defs/time` becomes `case.status.time`."""

    def moved(part: Any) -> Any:
        if isinstance(part, dict):
            told = {key: moved(value) for key, value in part.items() if key != "$ref"}
            if "$ref" not in part:
                return told
            reference = {"$ref": _component(name, part["$ref"])}
            return {"allOf": [reference], **told} if told else reference  # AsyncAPI has nothing beside a reference
        return [moved(one) for one in part] if isinstance(part, list) else part

    parts = {f"{name}.{key}": moved(value) for key, value in schema.get("$defs", {}).items()}
    return {name: moved(_plain(schema)), **parts}


def _component(name: str, reference: str) -> str:
    return f"#/components/schemas/{name}.{reference.removeprefix('#/$defs/')}"
