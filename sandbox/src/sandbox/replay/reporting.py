"""The report of a replay: for people, as JSON, as JUnit's XML."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from rich.console import Console
from rich.table import Table

from sandbox.replay.scenario import Cell
from sandbox.replay.verdicts import Step, Verdict

PASSED, FAILED, EMPTY = "✓", "✗", "∅"
HOST = "egov-replay"


@dataclass(frozen=True, slots=True)
class Report:
    """`wanted`: the cells that have to be filled; those nobody played are empty, and no replay with them has passed."""

    verdicts: Sequence[Verdict]
    wanted: Sequence[Cell]
    began: datetime
    seconds: float
    worlds: int

    @property
    def empty(self) -> list[Cell]:
        played = {verdict.cell for verdict in self.verdicts}
        return [cell for cell in self.wanted if cell not in played]

    @property
    def failed(self) -> list[Verdict]:
        return [verdict for verdict in self.verdicts if not verdict.passed]

    @property
    def passed(self) -> bool:
        return not self.failed and not self.empty

    def cells(self) -> dict[Cell, str]:
        """Every cell with its mark, those of the catalogue first and in its order."""
        marks = dict.fromkeys(self.wanted, EMPTY)
        for verdict in self.verdicts:
            good = verdict.passed and marks.get(verdict.cell) != FAILED
            marks[verdict.cell] = PASSED if good else FAILED
        return marks


def as_text(report: Report, console: Console) -> None:
    """Where it went wrong, step by step; then the matrix and one line that sums it up."""
    for verdict in report.failed:
        _show(verdict, console)
    console.print(_matrix(report))
    for cell in report.empty:
        console.print(f"EMPTY {cell}", style="red", highlight=False, soft_wrap=True)
    good = len(report.verdicts) - len(report.failed)
    cells = report.cells()
    filled = sum(mark == PASSED for mark in cells.values())
    text = f"{good} of {len(report.verdicts)} scenarios as the acts say, {filled} of {len(cells)} cells green, "
    text += f"{report.seconds:.1f} s in {report.worlds} world{'s' if report.worlds != 1 else ''}"
    console.print(text, style="green" if report.passed else "bold red", highlight=False, soft_wrap=True)


def _show(verdict: Verdict, console: Console) -> None:
    head = f"\n{verdict.name}: {verdict.regulation} {verdict.channel} {verdict.outcome}  {verdict.case}"
    console.print(head, style="bold red", highlight=False, soft_wrap=True)
    for step in verdict.steps:
        mark, style = (PASSED, "dim") if step.passed else (FAILED, "red")
        text = f"  {mark} {cited(step.clause):<10} {step.service:<22} {step.step:<5} {step.expected}"
        text += "" if step.passed else f"  | seen: {step.seen}"
        console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)
        for clause, why in step.wrong:
            console.print(f"      {cited(clause)}: {why}", style="red", highlight=False, markup=False, soft_wrap=True)


def _matrix(report: Report) -> Table:
    table = Table("regulation", "channel", "outcomes", show_edge=False, pad_edge=False)
    rows: dict[tuple[str, str], list[str]] = {}
    for cell, mark in report.cells().items():
        style = "green" if mark == PASSED else "red"
        rows.setdefault((cell.regulation, cell.channel), []).append(f"[{style}]{cell.outcome}{mark}[/{style}]")
    before, order = "", list(dict.fromkeys(regulation for regulation, _ in rows))
    for (regulation, channel), marks in sorted(rows.items(), key=lambda row: order.index(row[0][0])):
        table.add_row("" if regulation == before else regulation, channel, " ".join(marks))
        before = regulation
    return table


def as_json(report: Report) -> str:
    data = {
        "passed": report.passed,
        "began": report.began.isoformat(),
        "seconds": report.seconds,
        "worlds": report.worlds,
        "scenarios": len(report.verdicts),
        "failed": len(report.failed),
        "empty": [_cell(cell) for cell in report.empty],
        "matrix": [{**_cell(cell), "mark": WORDS[mark]} for cell, mark in report.cells().items()],
        "verdicts": [verdict.data() for verdict in report.verdicts],
    }
    return json.dumps(data, ensure_ascii=False, indent=2)


WORDS: Mapping[str, str] = {PASSED: "passed", FAILED: "failed", EMPTY: "empty"}


def _cell(cell: Cell) -> dict[str, Any]:
    return {"regulation": cell.regulation, "channel": cell.channel, "outcome": cell.outcome}


def as_junit(report: Report) -> str:
    """One suite for each regulation; what JUnit's readers take, strict ones too: names and order of everything."""
    root = Element("testsuites")
    by_regulation: dict[str, list[Verdict]] = {}
    for verdict in report.verdicts:
        by_regulation.setdefault(verdict.regulation, []).append(verdict)
    empty: dict[str, list[Cell]] = {}
    for cell in report.empty:
        empty.setdefault(cell.regulation, []).append(cell)
    for n, regulation in enumerate(sorted({*by_regulation, *empty})):
        _suite(root, report, n, regulation, by_regulation.get(regulation, []), empty.get(regulation, []))
    indent(root)
    return tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(
    root: Element, report: Report, n: int, regulation: str, verdicts: Sequence[Verdict], *empty: Sequence[Cell]
) -> None:
    cells = [cell for part in empty for cell in part]
    failures = len(cells) + sum(not verdict.passed for verdict in verdicts)
    suite = SubElement(root, "testsuite", {
        "name": regulation, "package": "egov.replay", "id": str(n), "hostname": HOST,
        "timestamp": report.began.strftime("%Y-%m-%dT%H:%M:%S"), "tests": str(len(verdicts) + len(cells)),
        "failures": str(failures), "errors": "0", "time": f"{sum(one.seconds for one in verdicts):.3f}",
    })  # fmt: skip
    SubElement(suite, "properties")
    for verdict in verdicts:
        _testcase(suite, verdict)
    for cell in cells:
        case = _case(suite, cell, str(cell), 0.0)
        SubElement(case, "failure", {"type": "empty", "message": "no scenario ends here"})
    SubElement(suite, "system-out")
    SubElement(suite, "system-err")


def _testcase(suite: Element, verdict: Verdict) -> None:
    case = _case(suite, verdict.cell, verdict.name, verdict.seconds)
    if verdict.passed:
        return
    clause, text = verdict.differences[0]
    failure = SubElement(case, "failure", {"type": cited(clause), "message": clean(text)})
    failure.text = clean("\n".join(_line(step) for step in verdict.steps if not step.passed))


def _case(suite: Element, cell: Cell, name: str, seconds: float) -> Element:
    where = f"{cell.regulation}.{cell.channel}"
    return SubElement(suite, "testcase", {"name": name, "classname": where, "time": f"{seconds:.3f}"})


def _line(step: Step) -> str:
    why = "; ".join(f"{cited(clause)}: {text}" for clause, text in step.wrong)
    return f"{step.service} {step.step} ({cited(step.clause)}): expected {step.expected}; seen {step.seen}; {why}"


def clean(text: str) -> str:
    """Without what XML has no place for."""
    return "".join(letter for letter in text if letter in "\t\n" or letter >= " ")


def cited(clause: str | None) -> str:
    """A clause as the acts cite it: "п. 6 8)"; rows of annexes name themselves."""
    if clause is None:
        return ""
    return f"п. {clause}" if clause[:1].isdigit() else clause
