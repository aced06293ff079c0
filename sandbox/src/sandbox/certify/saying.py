"""What our own systems say to the partner: the data of every message, true and of the contract's form."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from egovkit.signatures.cms import sign_cms
from egovkit.signatures.keys import thumbprint

if TYPE_CHECKING:
    from egovkit.envelope import Envelope
    from sandbox.certify.stage import Signer, Stage
    from sandbox.replay.scenario import Scenario
    from sandbox.trace import Line

PROCESSED = {"code": "00000", "name_ru": "Запрос обработан", "name_kk": "Сұрау салу өңделді"}
NUMBER = "00000000017"
PURPOSE = "Проверка системы-партнёра (синтетические данные)"
REASON = {"code": "documents.unreadable", "text": "Копия документа не читается. / Құжаттың көшірмесі оқылмайды."}


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


@dataclass(slots=True)
class Speech:
    """One case as it is spoken of. `applicant`: whom it is about; `signer`: who signs the application; `last`: the
    partner's latest word of each kind; `given`: what the partner was given to pass on."""

    stage: Stage
    scenario: Scenario
    case: str
    applicant: str
    signer: Signer
    version: int
    sequences: dict[str, int] = field(default_factory=dict)
    last: dict[str, Envelope] = field(default_factory=dict)
    given: dict[str, str] = field(default_factory=dict)

    def data(self, line: Line, trail: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """What our system in the line's place says."""
        return WORDS[line.message](self, line) | ({} if line.message in UNTRAILED else {"trail": list(trail)})

    def signed(self, body: Mapping[str, Any], signer: Signer) -> dict[str, str]:
        """A document in JSON and the detached CMS over it, both in base64."""
        document = json.dumps(dict(body), ensure_ascii=False, separators=(",", ":")).encode()
        signature = sign_cms(document, signer.key, self.stage.world.clock.now())
        return {"document": b64(document), "signature": b64(signature)}

    def application(self, signer: Signer | None = None, **other: Any) -> dict[str, str]:
        """The application, signed; `other` has the document tell another story than the envelope."""
        by = signer or self.signer
        scenario = self.scenario
        return self.signed(
            {
                "kind": "application", "case": self.case, "regulation": scenario.regulation, "version": self.version,
                "provider": scenario.given.office, "region": scenario.region, "channel": scenario.channel,
                "applicant": {"iin": self.applicant}, "form": scenario.form, "attachments": [],
                "certificate": thumbprint(by.key.certificate), "prepared_at": stamp(self.stage.world.clock.now()),
                **other,
            },
            by,
        )  # fmt: skip

    @property
    def now(self) -> str:
        return stamp(self.stage.world.clock.now())

    @property
    def number(self) -> str:
        told = self.last.get("case.registered")
        return NUMBER if told is None else str(told.data["number"])

    @property
    def reached(self) -> int:
        """The version of the status after the latest word of the provider."""
        return max([0, *(int(one.data.get("version", 0)) for one in self.last.values())])

    def submitted(self, line: Line) -> dict[str, Any]:
        return {
            "provider": self.scenario.given.office, "applicant": {"iin": self.applicant}, "attachments": [],
            **(self.given or self.application()),
        }  # fmt: skip

    def question(self, line: Line) -> dict[str, Any]:
        by = "iin" if line.message == "query.person" else "representative_iin"
        facts = {"official": "official-1", "purpose_ru": PURPOSE, "clause": line.clause}
        return {"criterion": {by: self.applicant}, **facts}

    def answer(self, line: Line) -> dict[str, Any]:
        known = not any(one.outcome == "violation" for one in self.scenario.when) or not self._refused_for_data
        listed = "persons" if line.message == "answer.person" else "attorneys"
        found = [person(self.applicant)] if known and listed == "persons" else []
        return {"result": PROCESSED, "answered_at": self.now, listed: found}

    @property
    def _refused_for_data(self) -> bool:
        return any(line.after == "no_data" for line in self.scenario.then.lines)

    def told(self, line: Line) -> dict[str, Any]:
        """A word of the provider."""
        self.sequences["version"] = version = self.sequences.get("version", 0) + 1
        return {"number": NUMBER, "version": version, **PROVIDERS[line.message](self)}

    def handed_over(self, line: Line) -> dict[str, Any]:
        record = self.signed({"kind": "hand_over", "case": self.case}, self.stage.people["official"])
        to = {"capacity": "applicant", "iin": self.applicant}
        return {"number": self.number, "handed_over_at": self.now, "received_by": to, **record, "version": self.reached}

    def completed(self) -> dict[str, Any]:
        result = self.scenario.result
        outcome = result.outcome if result else "positive"
        body = {"kind": "result", "case": self.case, "outcome": outcome}
        variant = {"variant": result.variant} if result and result.variant else {}
        signed = self.signed(body, self.stage.people["official"])
        return {**signed, **variant, "outcome": outcome, "completed_at": self.now}

    def refused(self) -> dict[str, Any]:
        return {"reasons": [REASON], "document": b64(b'{"kind":"refusal"}'), "refused_at": self.now}


UNTRAILED = frozenset({"answer.person", "answer.attorney", "case.status"})
WORDS: Mapping[str, Callable[[Speech, Line], dict[str, Any]]] = {
    "case.submitted": Speech.submitted, "query.person": Speech.question, "query.attorney": Speech.question,
    "answer.person": Speech.answer, "answer.attorney": Speech.answer, "case.handed_over": Speech.handed_over,
    **dict.fromkeys(
        ("case.registered", "case.status", "case.decided", "case.refused", "case.completed"), Speech.told
    ),
}  # fmt: skip
PROVIDERS: Mapping[str, Callable[[Speech], dict[str, Any]]] = {
    "case.registered": lambda one: {"registered_at": one.now},
    "case.status": lambda one: {
        "status": "in_work", "text_ru": "В работе", "text_kk": "Жұмыста", "at": one.now,
    },
    "case.decided": lambda one: {"outcome": "positive", "decided_at": one.now},
    "case.refused": Speech.refused,
    "case.completed": Speech.completed,
}  # fmt: skip


def person(iin: str) -> dict[str, Any]:
    """What a person register says of somebody, with nothing but what the contract demands."""

    def entry(code: str, ru: str, kk: str) -> dict[str, str]:
        return {"code": code, "name_ru": ru, "name_kk": kk}

    return {
        "iin": iin, "birth_date": "2000-01-01", "gender": entry("2", "женский", "әйел"),
        "nationality": entry("005", "казахи", "қазақ"), "citizenship": entry("398", "Казахстан", "Қазақстан"),
        "life_status": entry("0", "нормальный", "қалыпты"), "birth_place": {},
    }  # fmt: skip
