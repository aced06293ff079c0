"""The report of a replay as one page that needs nothing else: no script or style from elsewhere, no server.

Matrix of regulations, channels and outcomes; the limits that were used; each case with its journal as a sequence
diagram, and what the act says beside what was seen. Every text is there in Russian, Kazakh and English; a button
chooses.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from sandbox.bootstrap import participants
from sandbox.replay.reading import the_law
from sandbox.replay.reporting import EMPTY, FAILED, PASSED, Report, cited, clean
from sandbox.replay.sequence import Diagram, Used, draw, used

if TYPE_CHECKING:
    from jinja2 import Environment

    from sandbox.replay.scenario import Cell
    from sandbox.replay.verdicts import Step, Verdict
    from sandbox.trace import Hop

LANGUAGES = ("ru", "kk", "en")
MARKS: Mapping[str, str] = {PASSED: "passed", FAILED: "failed", EMPTY: "empty"}
SMALLEST, LARGEST = 1e-5, 10.0  # shares of a limit at the ends of the chart's axis, which is logarithmic
AXIS = 420  # pixels


def as_html(report: Report) -> str:
    page: str = (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            acts=_acts(report),
            cases=[_case(n, verdict) for n, verdict in enumerate(report.verdicts)],
            limits=_limits(report.verdicts),
            axis=AXIS,
            ticks=[(share, _place(share)) for share in (1e-4, 1e-3, 1e-2, 0.1, 1.0)],
            languages=LANGUAGES,
        )
    )
    return page


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("sandbox.replay"),
        autoescape=True,
        finalize=lambda value: clean(value) if type(value) is str else value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"cited": cited, "share": _percent}
    made.globals["said"] = said
    return made


def said(name: str) -> Markup:
    """A text of the page in its three languages; the style shows one."""
    return in_languages(WORDS[name])


def in_languages(texts: Sequence[str]) -> Markup:
    spans = (Markup('<span lang="{}">{}</span>').format(*pair) for pair in zip(LANGUAGES, texts, strict=True))
    return Markup("").join(spans)


# --- the matrix


@dataclass(frozen=True, slots=True)
class Chip:
    outcome: str
    mark: str
    case: int | None  # the first scenario of the cell, one that failed before one that did not
    words: str  # of the item of the flow


@dataclass(frozen=True, slots=True)
class Row:
    channel: str
    title: str
    chips: Sequence[Chip]


@dataclass(frozen=True, slots=True)
class Act:
    code: str
    title: Markup
    rows: Sequence[Row]


def _acts(report: Report) -> list[Act]:
    first: dict[Cell, int] = {}
    for n, verdict in sorted(enumerate(report.verdicts), key=lambda pair: pair[1].passed):
        first.setdefault(verdict.cell, n)
    rows: dict[str, dict[str, list[Chip]]] = {}
    for cell, mark in report.cells().items():
        chip = Chip(cell.outcome, MARKS[mark], first.get(cell), _words(cell))
        rows.setdefault(cell.regulation, {}).setdefault(cell.channel, []).append(chip)
    return [
        Act(code, _title(code), [Row(channel, _channel(code, channel), chips) for channel, chips in found.items()])
        for code, found in rows.items()
    ]


def _title(code: str) -> Markup:
    act = the_law().by_code.get(code)
    return in_languages((code, code, code) if act is None else (act.title_ru, act.title_kk, act.title_ru))


def _channel(code: str, channel: str) -> str:
    act = the_law().by_code.get(code)
    return channel if act is None or channel not in act.channels else act.channels[channel].title_ru


def _words(cell: Cell) -> str:
    act = the_law().by_code.get(cell.regulation)
    flow = act.channels[cell.channel].flow if act is not None and cell.channel in act.channels else ()
    return next((item.text_ru for item in flow if item.label == cell.outcome), "")


# --- the cases


@dataclass(frozen=True, slots=True)
class Case:
    n: int
    verdict: Verdict
    title: Markup
    diagram: Diagram
    lines: Sequence[tuple[Step, Hop | None]]
    used: Sequence[Used]


@cache
def _kinds() -> Mapping[str, str]:
    return {code: one["kind"] for code, one in participants().items()}


def _case(n: int, verdict: Verdict) -> Case:
    wrong = frozenset(step.hop for step in verdict.steps if step.hop is not None and step.wrong)
    titles = (verdict.title, verdict.title_kk or verdict.title, verdict.name)
    lines = [(step, None if step.hop is None else verdict.hops[step.hop]) for step in verdict.steps]
    return Case(n, verdict, in_languages(titles), draw(verdict.hops, _kinds(), wrong), lines, used(verdict.hops))


# --- the limits


@dataclass(frozen=True, slots=True)
class Dot:
    x: float
    case: int
    share: float
    used_s: float


@dataclass(frozen=True, slots=True)
class Measured:
    """A limit of an act, and what each case used of it."""

    regulation: str
    channel: str
    step: str
    clause: str
    limit_s: float
    dots: Sequence[Dot]

    @property
    def most(self) -> float:
        return max(dot.share for dot in self.dots)


def _limits(verdicts: Sequence[Verdict]) -> list[Measured]:
    """The most used first."""
    found: dict[tuple[str, str, str, str, float], list[Dot]] = {}
    for n, verdict in enumerate(verdicts):
        for one in used(verdict.hops):
            key = (verdict.regulation, verdict.channel, one.step, one.clause, one.limit_s)
            found.setdefault(key, []).append(Dot(_place(one.share), n, one.share, one.used_s))
    return sorted((Measured(*key, dots) for key, dots in found.items()), key=lambda one: -one.most)


def _place(share: float) -> float:
    """Pixels from the axis's left end."""
    within = min(max(share, SMALLEST), LARGEST)
    return round(AXIS * math.log(within / SMALLEST) / math.log(LARGEST / SMALLEST), 1)


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.1 else f"{share * 100:.2g} %".replace(" ", "")


WORDS: Mapping[str, Any] = {
    "title": ("Проигрывание сценариев", "Сценарийлерді ойнату", "Replay of scenarios"),
    "passed": ("Всё как в актах", "Бәрі актілердегідей", "All as the acts say"),
    "failed": ("Есть расхождения с актами", "Актілерден ауытқу бар", "Something differs from the acts"),
    "scenarios": ("сценариев", "сценарий", "scenarios"),
    "wrong": ("с расхождениями", "ауытқумен", "differ"),
    "cells": ("ячеек без сценария", "сценарийсіз ұяшық", "cells nobody played"),
    "worlds": ("миров", "әлем", "worlds"),
    "seconds": ("с", "с", "s"),
    "matrix": ("Регламенты, способы обращения, исходы", "Регламенттер, жүгіну тәсілдері, нәтижелер",
               "Regulations, ways to apply, outcomes"),
    "matrix_help": ("Каждая метка — шаг, которым заканчивается порядок действий. Нажмите, чтобы увидеть случай.",
                    "Әр белгі — іс-қимыл тәртібі аяқталатын қадам. Істі көру үшін басыңыз.",
                    "Each mark is the step at which the flow ends. Follow it to see the case."),
    "cell_passed": ("как в акте", "актідегідей", "as the act says"),
    "cell_failed": ("не как в акте", "актідегідей емес", "not as the act says"),
    "cell_empty": ("не проигран", "ойнатылмаған", "not played"),
    "limits": ("Сроки: сколько использовано", "Мерзімдер: қаншасы пайдаланылды", "Limits: how much was used"),
    "limits_help": ("Доля срока на логарифмической шкале; каждая точка — случай. Правее черты 100% срок нарушен.",
                    "Мерзімнің үлесі логарифмдік шкалада; әр нүкте — іс. 100% сызығынан оңға қарай мерзім бұзылған.",
                    "Share of the limit, logarithmic; each dot is a case. Right of the 100% line the limit is broken."),
    "no_limits": ("Ни один срок не измерялся.", "Бірде-бір мерзім өлшенбеді.", "No limit was measured."),
    "cases": ("Случаи", "Істер", "Cases"),
    "search": ("Найти", "Іздеу", "Find"),
    "only_wrong": ("Только с расхождениями", "Тек ауытқумен", "Only those that differ"),
    "nothing": ("Ничего не найдено.", "Ештеңе табылмады.", "Nothing found."),
    "case": ("Дело", "Іс", "Case"),
    "no_case": ("дело не возникло", "іс туындамады", "no case was born"),
    "diagram": ("Обмен по журналам", "Журналдар бойынша алмасу", "Exchange, from the journals"),
    "no_hops": ("Журналы ничего не говорят об этом случае.", "Журналдар бұл іс туралы ештеңе айтпайды.",
                "The journals tell nothing of this case."),
    "expected": ("Ожидалось", "Күтілді", "Expected"),
    "seen": ("Произошло", "Болғаны", "Seen"),
    "clause": ("Пункт", "Тармақ", "Clause"),
    "system": ("Система", "Жүйе", "System"),
    "step": ("Шаг", "Қадам", "Step"),
    "used": ("Срок", "Мерзім", "Limit"),
    "regulation": ("Регламент", "Регламент", "Regulation"),
    "channel": ("Способ обращения", "Жүгіну тәсілі", "Way to apply"),
    "language": ("Язык", "Тіл", "Language"),
    "close": ("Свернуть все", "Барлығын жабу", "Close all"),
}  # fmt: skip
