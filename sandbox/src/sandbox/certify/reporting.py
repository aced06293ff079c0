"""What a certification found, by clause: for people, as JSON, as JUnit's XML."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from sandbox.certify.judging import Obligation

MARKS: Mapping[str, str] = {"met": "✓", "broken": "✗", "not reached": "·"}
HOST = "egov-certify"


@dataclass(frozen=True, slots=True)
class Certificate:
    """The partner's name, the kind of participant it was, and everything it owed."""

    name: str
    kind: str
    obligations: tuple[Obligation, ...]

    @property
    def passed(self) -> bool:
        return bool(self.obligations) and all(one.verdict == "met" for one in self.obligations)

    @property
    def broken(self) -> list[Obligation]:
        return [one for one in self.obligations if one.verdict == "broken"]

    @property
    def violated(self) -> list[tuple[str, str]]:
        """Clause (or the rule's code) and text of every violation."""
        return [wrong for one in self.broken for wrong in one.wrong]

    @property
    def summary(self) -> str:
        counts = {verdict: sum(one.verdict == verdict for one in self.obligations) for verdict in MARKS}
        said = f"{counts['met']} of {len(self.obligations)} obligations met"
        said += f", {counts['broken']} broken" if counts["broken"] else ""
        said += f", {counts['not reached']} not reached" if counts["not reached"] else ""
        return f"{self.name} as {self.kind}: {'certified' if self.passed else 'NOT certified'}; {said}"

    def by_clause(self) -> dict[tuple[str, str], list[Obligation]]:
        """Of each regulation, clause by clause, as they came up; the rules of the bus last."""
        found: dict[tuple[str, str], list[Obligation]] = {}
        codes = list(dict.fromkeys(one.regulation for one in self.obligations if one.regulation != "-"))
        for code in [*codes, "-"]:
            for one in self.obligations:
                if one.regulation == code:
                    found.setdefault((code, one.clause), []).append(one)
        return found


def as_text(found: Certificate) -> str:
    """Clause by clause; what was met in one line, what was not with what was seen."""
    lines: list[str] = []
    regulation = None
    for (code, clause), owed in found.by_clause().items():
        if code != regulation:
            regulation = code
            lines += ["", code if code != "-" else "the rules of the bus"]
        worst = next((one for verdict in ("broken", "not reached") for one in owed if one.verdict == verdict), owed[0])
        times = f" ({len(owed)}x)" if len(owed) > 1 else ""
        lines.append(f"  {MARKS[worst.verdict]} {clause}  {worst.rule}{times}")
        for one in owed:
            lines += _wrong(one)
    return "\n".join([*lines[1:], "", found.summary])


def _wrong(one: Obligation) -> list[str]:
    if one.verdict != "broken":
        return []
    head = f"      {one.scenario} {one.step}: expected {one.expected}; seen {one.seen}"
    return [head, *(f"        {clause}: {text}" for clause, text in one.wrong)]


def as_json(found: Certificate) -> str:
    data = {
        "name": found.name, "kind": found.kind, "certified": found.passed,
        "obligations": [asdict(one) for one in found.obligations],
    }  # fmt: skip
    return json.dumps(data, ensure_ascii=False, indent=2)


def as_junit(found: Certificate) -> str:
    """A test case for each obligation; what was not reached is skipped."""
    suite = Element("testsuite", name=f"certify {found.name}", hostname=HOST, tests=str(len(found.obligations)),
                    failures=str(len(found.broken)))  # fmt: skip
    for one in found.obligations:
        name = f"{one.clause} {one.expected}"
        case = SubElement(suite, "testcase", classname=f"{one.regulation}.{one.channel}.{one.scenario}", name=name)
        if one.verdict == "broken":
            text = "; ".join(f"{clause}: {said}" for clause, said in one.wrong)
            SubElement(case, "failure", message=text, type=one.code or one.clause).text = f"seen {one.seen}"
        elif one.verdict == "not reached":
            SubElement(case, "skipped")
    indent(suite)
    return tostring(suite, encoding="unicode", xml_declaration=True)


FORMS: Mapping[str, Callable[[Certificate], str]] = {"text": as_text, "json": as_json, "junit": as_junit}
