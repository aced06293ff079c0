"""A case that was played as a scenario to be played again: what people did is taken from the request log.

Which way the case went say the outcomes in its own trails; what has to happen then is read from the act, as for every
scenario that is made from the catalogue, never copied from the run.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from egovlaw.catalogue import Channel, Regulation
from sandbox.replay.checks import by_hand, first_end, follows
from sandbox.replay.expecting import Reading, final_state
from sandbox.replay.generating import COPY, asks_itself, filled_at, scenario_of_way
from sandbox.replay.reading import the_law
from sandbox.replay.scenario import INTAKE, Act, Certificate, Consumer, Given, Paper, ResultText, Scenario, Told
from sandbox.replay.writing import as_yaml

if TYPE_CHECKING:
    from sandbox.exchange_log import Exchange

PREFIX, SUFFIX = "kz.egov.", ".v1"
GATEWAYS = ("gateway-shep", "gateway-rshep")
TITLE = re.compile(rb"/Title<([0-9a-f]+)>")
# The refusal that a certificate of this kind leads to.
CERTIFICATES: Mapping[str, Certificate] = {
    "certificate.expired": "expired",
    "certificate.of_another_person": "of_another_person",
    "certificate.wrong_usage": "for_logging_in",
}


class NoScenario(Exception):
    """The log does not tell a whole case; says what is missing."""


def scenario_of_case(case: str, exchanges: Sequence[Exchange]) -> str:
    """YAML for `egov replay`. `exchanges`: all that name the case, whole, in the order of time."""
    seen = Case(case, exchanges)
    base = scenario_of_way(seen.regulation, seen.channel, tuple(seen.way()), 0)
    acts = tuple(seen.brought(act) for act in base.when)
    then = base.then
    if seen.channel.has_flow:
        lines = Reading(seen.channel, acts, seen.asked, asks_itself=asks_itself(seen.regulation)).read()
        lines = tuple(replace(line, code=seen.refusal) if line.code and seen.refusal else line for line in lines)
        then = replace(then, lines=lines, state=final_state(lines), refusals=tuple(seen.told(base)))
    made = replace(
        base,
        title=f"{base.title}: дело {case}",
        title_kk=f"{base.title_kk}: {case} ісі",
        given=seen.given(base.given),
        when=acts,
        then=then,
    )
    return as_yaml(made, f"Made by `egov log scenario` from the case {case}.{seen.remarks()}")


class Case:
    """A case as its messages and its calls tell it. NoScenario when they do not tell enough."""

    def __init__(self, case: str, exchanges: Sequence[Exchange]) -> None:
        self.case = case
        bus = [one.document() for one in exchanges if one.facts["medium"] == "bus" and _of(one, case)]
        by_id = {found["id"]: found for found in bus if not str(found.get("source")).endswith(GATEWAYS)}
        self.envelopes = list(by_id.values())
        served = [one for one in exchanges if one.facts["medium"] == "http" and one.facts["direction"] == "in"]
        self.calls = [one for one in served if one.facts["status"] < 300 and case in one.facts["path"]]
        self.notes = [note for one in exchanges for note in one.facts["notes"]]
        # Where the act gives a channel no flow a desk takes in, and no message tells it.
        self.intake = next((one.document() for one in served if _begins(one, case)), {})
        about = next((one for one in self.envelopes if one.get("regulation", "-") != "-"), self.intake)
        if not about:
            raise NoScenario(f"the log has nothing of a case {case}")
        regulation = the_law().regulation(about["regulation"])
        if regulation is None or about["channel"] not in regulation.channels:
            raise NoScenario(f"the catalogue has no {about['regulation']}, channel {about['channel']}")
        self.regulation: Regulation = regulation
        self.channel: Channel = regulation.channels[about["channel"]]

    def way(self) -> Iterator[Act]:
        """From the first item of the flow to where it ends, by the outcomes that were reported."""
        if not self.channel.has_flow:
            return self._way_by_hand()
        outcomes, reached = self._outcomes(), {one["step"] for one in self.envelopes} | {self.refused_at}
        acts: list[Act] = []
        label: str | None = self.channel.flow[0].label
        while label is not None:
            item = self.channel.by_label[label]
            outcome = outcomes.get(label) if item.type == "condition" else None
            if item.type == "condition" and outcome is None:
                raise NoScenario(
                    f"the case has not come to an end, or not all of it is in the log: {label} is not told"
                )
            acts.append(Act(label, cast(Any, outcome)))
            label = follows(item, outcome)
        end = first_end(self.channel, acts)
        if end not in reached:
            raise NoScenario(f"the case has not come to an end: {end} has not been")
        return iter(acts)

    def _way_by_hand(self) -> Iterator[Act]:
        if not any(one.facts["path"].endswith("/give-out") for one in self.calls):
            raise NoScenario("the case has not come to an end: its result has not been given out")
        return (Act(step) for step in by_hand(self.channel))

    def _outcomes(self) -> dict[str, str]:
        steps = (step for one in self.envelopes for step in one["data"].get("trail", ()))
        return {step["step"]: step["outcome"] for step in steps}

    @property
    def asked(self) -> tuple[str, ...]:
        """The registers that were asked, each once."""
        names = (_name(one) for one in self.envelopes)
        found = dict.fromkeys(name.removeprefix("query.") for name in names if name.startswith("query."))
        return tuple(name for name in ("person", "attorney") if name in found)

    @property
    def _ended_before(self) -> Mapping[str, Any]:
        """The outcome of a case that ended before anything was sent."""
        reports = (one["data"].get("outcome") for one in self.envelopes if _name(one) == "steps.reported")
        return next((found for found in reports if isinstance(found, dict)), {})

    @property
    def refused_at(self) -> str | None:
        return self._ended_before.get("step")

    @property
    def refusal(self) -> str | None:
        """Of the certificate; what a register did not know is no problem that anybody is told."""
        code = self._ended_before.get("code")
        return code if code in CERTIFICATES else None

    @property
    def reasons(self) -> tuple[Mapping[str, str], ...]:
        refused = (one["data"] for one in self.envelopes if _name(one) == "case.refused")
        return next((tuple(data["reasons"]) for data in refused), ())

    def told(self, base: Scenario) -> Iterator[Told]:
        for one in base.then.refusals:
            if self.channel.by_label[one.step].kind.name == "refuse_documents":
                yield from (replace(one, code=reason["code"]) for reason in self.reasons)
            else:
                yield replace(one, code=self.refusal or one.code)

    def brought(self, act: Act) -> Act:
        """What people brought to an item, instead of what the catalogue would have them bring."""
        if act.step == INTAKE:
            act = replace(act, papers=tuple(map(_paper, self.intake["papers"])))
        elif self.channel.has_flow and self.channel.by_label[act.step].kind.name == filled_at(self.channel):
            filled = self._last("PUT", "/form")
            attachments = tuple(self._attachments()) or act.attachments
            form = filled.get("values") or self._application().get("form") or act.form
            papers = tuple(_paper(one) for one in filled.get("papers") or ())
            act = replace(act, form=form, papers=papers, attachments=attachments)
        if act.reasons and self.reasons:
            act = replace(act, reasons=self.reasons)
        prepared = self._last("POST", "/result/prepare")
        if act.result is not None and prepared:
            page = bool(self._last("POST", "/result").get("page_signature"))
            act = replace(act, result=replace(_result(prepared), page=page))
        return act

    def given(self, base: Given) -> Given:
        if self.intake:
            return replace(base, consumer=Consumer(iin=self.intake["iin"]))
        consumer = self._last("PUT", "/consumer")
        attorney = ((consumer.get("representative") or {}).get("attorney") or {}).get("registry_number")
        certificates = dict(base.certificates)
        if self.refusal is not None:
            certificates = dict.fromkeys(certificates, CERTIFICATES[self.refusal])
        return replace(
            base,
            consumer=_consumer(consumer["iin"]) if consumer else base.consumer,
            attorney=_deed(attorney) if attorney else None,
            certificates=certificates,
        )

    def remarks(self) -> str:
        """What befell the case and is no act of its people."""
        return "".join(f"\n# Not in it: {note}" for note in dict.fromkeys(self.notes))

    def _last(self, method: str, path: str) -> dict[str, Any]:
        """The body of the last such call; empty when there is none."""
        fitting = [one for one in self.calls if one.facts["method"] == method and one.facts["path"].endswith(path)]
        return fitting[-1].document() if fitting else {}

    def _attachments(self) -> Iterator[Paper]:
        """Copies with the names and titles that were uploaded; their pages are not played again."""
        found = {}
        for one in self.calls:
            before, _, name = one.facts["path"].rpartition("/")
            if one.facts["method"] == "PUT" and before.endswith(f"{self.case}/attachments"):
                found[name] = Paper(name, _title(one.body()) or COPY.text)
        yield from found.values()

    def _application(self) -> dict[str, Any]:
        """The document that was signed."""
        sent = (one["data"]["document"] for one in self.envelopes if _name(one) == "case.submitted")
        return next((dict(json.loads(base64.b64decode(text))) for text in sent), {})


def _of(one: Exchange, case: str) -> bool:
    return one.envelope.get("subject") == case and "type" in one.envelope


def _begins(one: Exchange, case: str) -> bool:
    return one.facts["path"] == "/v1/intakes" and one.document("response").get("case") == case


def _name(envelope: Mapping[str, Any]) -> str:
    return str(envelope["type"]).removeprefix(PREFIX).removesuffix(SUFFIX)


def _paper(found: Mapping[str, Any]) -> Mapping[str, str]:
    return {name: text for name, text in found.items() if text}


def _result(prepared: Mapping[str, Any]) -> ResultText:
    return ResultText(
        ru=prepared["text_ru"],
        kk=prepared["text_kk"],
        values=prepared.get("values") or {},
        outcome=prepared.get("outcome") or "positive",
        variant=prepared.get("variant"),
    )


def _title(pdf: bytes) -> str | None:
    match = TITLE.search(pdf)
    return None if match is None else bytes.fromhex(match[1].decode()).decode("utf-16", "replace")


def _consumer(iin: str) -> Consumer:
    """By the name of an example, which several scenarios may share; any other person belongs to one."""
    from gbd_fl_mock.seed.population import EXAMPLES

    name = next((name for name, known in EXAMPLES.items() if known == iin), None)
    return Consumer(iin=iin) if name is None else Consumer(example=name)


def _deed(number: str) -> str:
    """The example of the notaries' register that has this number."""
    from enis_mock.seed.deeds import EXAMPLES

    found = next((name for name, deed in EXAMPLES.items() if deed["registry_number"] == number), None)
    if found is None:
        raise NoScenario(f"the deed {number} is none of the notaries' register's examples, and a scenario names those")
    return found
