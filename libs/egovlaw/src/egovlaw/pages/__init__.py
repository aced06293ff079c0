"""The catalogue as pages for people, in English and Russian: one page a regulation, one index a language. Pure.

The pages are committed in docs/reference/regulations; a test holds them against what is made here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from egovlaw.catalogue import Catalogue, Channel, Regulation
from egovlaw.pages.facts import published
from egovlaw.pages.markdown import document, escape, heading, link
from egovlaw.pages.regulation import regulation_page
from egovlaw.pages.words import LANGUAGES, NAMES, OTHER, Words


def render_pages(catalogue: Catalogue, diagrams: Collection[str] = ()) -> dict[str, str]:
    """Relative path -> text. `diagrams`: the files of the folder `diagrams` beside the languages' folders, as
    `egov regulations diagram --all` names them; a page shows those that are there."""
    pages: dict[str, str] = {}
    for language in LANGUAGES:
        words = Words(language)
        pages[f"{language}/README.md"] = index_page(words, catalogue.regulations)
        for regulation in catalogue.regulations:
            text = regulation_page(words, regulation, catalogue.decisions, diagrams)
            pages[f"{language}/{regulation.code}.md"] = text
    return pages


def index_page(words: Words, regulations: Sequence[Regulation]) -> str:
    other = OTHER[words.language]
    lines = [f"# {words('index_title')}", "", link(NAMES[other], f"../{other}/README.md"), ""]
    lines += [words("index_intro"), "", words("totals").format(**_totals(regulations)), "", words("generated")]
    for region in dict.fromkeys(regulation.region for regulation in regulations):
        here = [regulation for regulation in regulations if regulation.region == region]
        bodies = dict.fromkeys(escape(regulation.act.body_ru) for regulation in here)
        lines += heading(2, f"{region}: {', '.join(bodies)}", region)
        lines += [line for regulation in here for line in _entry(words, regulation)]
    return document(lines)


def _entry(words: Words, regulation: Regulation) -> list[str]:
    act, target = regulation.act, f"{regulation.code}.md"
    channels = ", ".join(link(words.name(code), f"{target}#{code}") for code in regulation.channels)
    number = f"{words('act')} {words('number')} {act.number} {words('of')} {act.date.isoformat()}"
    repealed = "" if act.repealed is None else f"; {words('repealed').lower()} {published(words, act.repealed)}"
    return [
        f"- {link(escape(regulation.title_ru), target)}",
        f"  - {number}{repealed}",
        f"  - {words('channels').lower()}: {channels}",
    ]


def _totals(regulations: Sequence[Regulation]) -> dict[str, int]:
    channels: list[Channel] = [channel for one in regulations for channel in one.channels.values()]
    return {
        "regulations": len(regulations),
        "flow": sum(not item.restored for channel in channels for item in channel.flow),
        "rows": sum(len(channel.table) for channel in channels),
        "limits": sum(len(channel.limits) for channel in channels),
        "internal": sum(len(one.internal_procedure) for one in regulations),
        "forms": sum(len(one.forms) for one in regulations),
        "rules": sum(len(one.rules) for one in regulations),
    }
