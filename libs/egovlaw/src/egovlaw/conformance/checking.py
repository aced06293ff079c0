"""One case: its rows joined, its regulation found, every dimension judged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from egovlaw.catalogue import Catalogue, Channel, Regulation
from egovlaw.conformance.events import INTERNAL, Entry, Happened, Parties, RowLike, in_time, join, read_entry
from egovlaw.conformance.internal import BY_HAND, is_given_out, judge_by_hand, judge_steps
from egovlaw.conformance.passing import disordered, missing
from egovlaw.conformance.replaying import replay
from egovlaw.conformance.report import DIMENSIONS, CaseReport, Deviation, Turned
from egovlaw.conformance.timing import measure

NOTHING: dict[str, float] = {dimension: 0.0 for dimension in DIMENSIONS}


def check_case(case: str, rows: Iterable[RowLike], catalogue: Catalogue, parties: Parties) -> CaseReport:
    """Judge a case by what all journals say of it. Rows of other cases are deviations and are not followed."""
    given = list(rows)
    foreign = [row for row in given if row.case_id != case]
    entries = in_time(read_entry(row) for row in given if row.case_id == case and _is_of_the_act(row))
    code, version, name = _context(entries)
    regulation = catalogue.regulation(code, version) if code else None
    channel = regulation.channels.get(name or "") if regulation else None
    strange = [
        Deviation("fitness", None, "-", f"a row of case {row.case_id or '-'}", (f"{row.writer} {row.position}",))
        for row in foreign
    ]
    if regulation is None or channel is None:
        text = f"no such law: regulation {code or '-'}, version {version or 'newest'}, channel {name or '-'}"
        unknown = Deviation("fitness", None, "-", text, tuple(one.ref for one in entries[:1]))
        return CaseReport(case, code, version, name, False, len(given), (unknown, *strange), scores=NOTHING)
    return _judge(CaseReport(case, code, regulation.version, name, False, len(given), tuple(strange)),
                  entries, (regulation, channel), parties)  # fmt: skip


def _is_of_the_act(row: RowLike) -> bool:
    """What people do beside the act (taking a task, say) is an action of the desk too, and none of this."""
    return row.kind != "admin" or row.facts.get("action") in (INTERNAL, *BY_HAND)


def _judge(
    report: CaseReport, entries: Sequence[Entry], law: tuple[Regulation, Channel], parties: Parties
) -> CaseReport:
    _, channel = law
    happened = join(entries)
    walk = replay(channel, happened.events, [one.time for one in happened.refused])
    lacking, wanted = missing(channel, walk, happened.events, parties)
    limits, untimely = measure(channel, happened.events)
    ended = walk.ended if channel.has_flow else is_given_out(happened.by_hand)
    by_hand = [] if channel.has_flow else list(judge_by_hand(channel, [*happened.by_hand, *happened.internal]))
    found = [
        *report.deviations,
        *_of_other_law(report, entries),
        *(Deviation("fitness", None, one.step or "-", "one row was read twice", (one.ref,)) for one in happened.again),
        *walk.deviations,
        *judge_steps(law, happened.internal, ended=ended),
        *by_hand,
        *disordered(channel, happened.events, parties),
        *lacking,
        *untimely,
    ]
    weights = {
        "fitness": walk.fitting + len(happened.internal),
        "order": walk.fitting + len(happened.internal),
        "time": len(limits) + len(happened.internal),
        "completeness": wanted + len(happened.internal),
    }
    deviations = tuple(dict.fromkeys(found))
    return CaseReport(
        report.case, report.regulation, report.version, report.channel, ended, report.rows, deviations,
        tuple(limits), _turned(happened), _scores(deviations, weights),
    )  # fmt: skip


def _scores(deviations: Sequence[Deviation], weights: dict[str, int]) -> dict[str, float]:
    """What fitted, out of what fitted and what did not."""
    scores: dict[str, float] = {}
    for dimension in DIMENSIONS:
        wrong = sum(one.dimension == dimension for one in deviations)
        right = weights[dimension] if dimension in ("fitness", "order") else max(0, weights[dimension] - wrong)
        scores[dimension] = 1.0 if wrong == 0 else round(right / (right + wrong), 4)
    return scores


def _context(entries: Sequence[Entry]) -> tuple[str | None, int | None, str | None]:
    """Regulation, version and channel, as the first rows that know them say."""
    code = next((one.text("regulation") for one in entries if one.text("regulation") not in ("", "-")), None)
    name = next((one.text("channel") for one in entries if one.text("channel") not in ("", "-")), None)
    versions = (one.number("regulation_version") for one in entries)
    version = next((int(found) for found in versions if found), None)
    return code, version, name


def _of_other_law(report: CaseReport, entries: Sequence[Entry]) -> list[Deviation]:
    """A case keeps its regulation and channel."""
    found = []
    for one in entries:
        named = (one.text("regulation"), one.text("channel"))
        if one.kind != "refusal" and any(
            got not in ("", "-", own) for got, own in zip(named, (report.regulation, report.channel), strict=True)
        ):
            text = f"a row of {named[0]}, {named[1]}"
            found.append(Deviation("fitness", None, one.step or "-", text, (one.ref,)))
    return found


def _turned(happened: Happened) -> tuple[Turned, ...]:
    return tuple(
        Turned(one.service, one.text("code"), one.text("clause") or None, one.step, one.message, one.ref)
        for one in happened.refused
    )
