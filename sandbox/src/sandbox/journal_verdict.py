"""The verification of all journals together: chains, heads, signatures, stamps. Pure.

Whole journals are checked from their first row to their heads. A part of them (`Wanted`) is checked where it stands:
each row by itself, what it is linked to, and whether the stamp over it covers exactly it. Stamps are over the hashes of
whole batches, so these are always read whole.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any

from egovkit.journal import (
    BODY,
    CUT,
    DOUBLE,
    HASH,
    HEAD,
    MISSING,
    PREV,
    SIGNATURE,
    Break,
    JournalRow,
    KnownHead,
    SignatureCheck,
    row_hash,
    verify_rows,
)
from egovkit.journal_stamps import JournalStamp, check_stamp
from sandbox.journals import JournalCopy, check_of

EMPTY, BROKEN, SOUND = 2, 1, 0  # exit statuses of `egov journal verify`

ROOT, TOKEN, GAP, GONE = "root", "token", "gap", "gone"
MEANINGS: Mapping[str, str] = {
    HASH: "the row was changed after it was written: its hash does not follow from what it says",
    BODY: "its body is not the one that was written, or the key does not open it",
    PREV: "it does not continue the row before it: something between them was replaced",
    MISSING: "a row is missing",
    DOUBLE: "there are two rows at this place",
    CUT: "the end of the journal was cut off: somebody else has seen more of it",
    HEAD: "somebody else has seen another row at this place: the journal was rewritten",
    SIGNATURE: "it is not signed by a certificate of the system whose journal this is",
    ROOT: "these are not the rows that were time-stamped",
    TOKEN: "the time stamp over these rows does not hold",
    GAP: "it has no time stamp, and later rows of the same journal have: a stamp was removed",
    GONE: "its body is gone, and the journal tells of no purge that removed it",
}

TokenCheck = Callable[[JournalStamp], str | None]  # None: it holds; else why not
Progress = Callable[[int, int], None]
STEP = 2_000  # rows between two words of progress


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows are asked about; nothing given means all of them. Times are aware, both ends included."""

    since: datetime | None = None
    until: datetime | None = None
    case: str | None = None
    service: str | None = None

    @property
    def whole(self) -> bool:
        """Whether the journals asked about are asked about from end to end."""
        return self.since is None and self.until is None and self.case is None

    def of(self, row: JournalRow) -> bool:
        early = self.since is not None and row.time < self.since
        late = self.until is not None and row.time > self.until
        return not early and not late and self.case in (None, row.case_id)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the verification of all journals together found."""

    rows: int
    writers: Mapping[str, int]  # rows per writer
    witnesses: int
    signed: bool  # whether there was a register to check the rows' signatures with
    breaks: Sequence[Break] = field(default=())
    stamps: int = 0
    stamped: int = 0  # rows among `rows` that a stamp covers
    tokens_checked: bool = False
    unopened: int = 0  # bodies that no key was there for

    @property
    def status(self) -> int:
        if self.breaks:
            return BROKEN
        return SOUND if self.rows else EMPTY

    @property
    def first_break(self) -> Break | None:
        return self.breaks[0] if self.breaks else None


ALL = Wanted()


def verify(
    copies: Sequence[JournalCopy],
    wanted: Wanted = ALL,
    token_check: TokenCheck | None = None,
    progress: Progress = lambda done, total: None,
) -> Verdict:
    """Check every chain against its own heads and against what the others have seen of it.

    A service that loses its rows together with its own heads is still betrayed: receipts in the databases of
    the receivers and trails in those of the gateways name its writers and positions.
    """
    here = {copy.code for copy in copies}
    asked = [copy for copy in copies if wanted.service in (None, copy.code)]
    # Partners keep their journals themselves: what their trails say of them cannot be checked here.
    seen = [head for copy in copies for head in copy.witnessed if head.writer.split("/")[0] in here]
    seen = [head for head in seen if wanted.service in (None, head.writer.split("/")[0])]
    every = [row for copy in asked for row in copy.rows]
    rows = every if wanted.whole else _asked_about(every, wanted)
    registers = [copy.certificates for copy in copies if copy.certificates is not None]
    check = check_of(list(chain.from_iterable(registers))) if registers else None
    followed = _following(check, len(rows), progress)
    if wanted.whole:
        heads = [*(head for copy in asked for head in copy.heads), *seen]
        breaks = verify_rows(rows, heads, followed)
    else:
        breaks = _verify_part(rows, every, seen, followed)
    stamps = [stamp for copy in asked for stamp in copy.stamps]
    stamped, count, stamp_breaks = _verify_stamps(rows, every, stamps, token_check)
    counts: dict[str, int] = defaultdict(int)
    for row in rows:
        counts[row.writer] += 1
    return Verdict(
        rows=len(rows),
        writers=dict(counts),
        witnesses=len(seen),
        signed=check is not None,
        breaks=distinct([*breaks, *_verify_purges(rows, every, check), *stamp_breaks]),
        stamps=count,
        stamped=stamped,
        tokens_checked=token_check is not None,
        unopened=sum(row.sealed is not None for row in rows),
    )


def distinct(breaks: Iterable[Break]) -> list[Break]:
    """Many receipts witness the same position: one complaint is enough."""
    return list(dict.fromkeys(breaks))


def _asked_about(rows: Sequence[JournalRow], wanted: Wanted) -> list[JournalRow]:
    """A case's rows are those of the case; a range's are all between a writer's first and last in it, since a row's
    time is its arrival's and two neighbours may stand the other way round."""
    chosen = [row for row in rows if wanted.of(row)]
    if wanted.case is not None:
        return chosen
    spans: dict[str, tuple[int, int]] = {}
    for row in chosen:
        low, high = spans.get(row.writer, (row.position, row.position))
        spans[row.writer] = (min(low, row.position), max(high, row.position))
    return [row for row in rows if row.writer in spans and spans[row.writer][0] <= row.position <= spans[row.writer][1]]


def _verify_part(
    rows: Sequence[JournalRow], every: Sequence[JournalRow], seen: Sequence[KnownHead], check: SignatureCheck | None
) -> list[Break]:
    """Row by row: its own hash, body and signature; the row before it; what others have seen at its place."""
    at = {(row.writer, row.position): row for row in every}
    witnessed: dict[tuple[str, int], list[KnownHead]] = defaultdict(list)
    for head in seen:
        witnessed[head.writer, head.position].append(head)
    breaks: list[Break] = []
    for row in sorted(rows, key=lambda row: (row.writer, row.position)):
        # Each alone as a chain of one row: what only a whole chain has is left out.
        alone = verify_rows([row], witnessed[row.writer, row.position], check)
        breaks += [one for one in alone if one.reason not in (PREV, MISSING)]
        before = at.get((row.writer, row.position - 1))
        if row.position > 1 and before is None:
            breaks.append(Break(row.writer, row.position - 1, MISSING))
        elif before is not None and before.hash != row.prev:
            breaks.append(Break(row.writer, row.position, PREV))
    return breaks


def _verify_stamps(
    rows: Sequence[JournalRow],
    every: Sequence[JournalRow],
    stamps: Sequence[JournalStamp],
    token_check: TokenCheck | None,
) -> tuple[int, int, list[Break]]:
    """How many of the rows asked about are stamped, by how many stamps, and what is wrong with these."""
    wanted: dict[str, set[int]] = defaultdict(set)
    for row in rows:
        wanted[row.writer].add(row.position)
    hashes = {(row.writer, row.position): row.hash for row in every}
    covered, count, breaks = 0, 0, []
    for stamp in stamps:
        if not stamp.possible:
            breaks.append(Break(stamp.writer, stamp.first, ROOT, f"rows {stamp.first} to {stamp.last}"))
            continue
        places = range(stamp.first, stamp.last + 1)
        if not (asked := sum(place in wanted[stamp.writer] for place in places)):
            continue
        covered, count = covered + asked, count + 1
        where = f"rows {stamp.first} to {stamp.last}, stamped {stamp.moment:%Y-%m-%d %H:%M:%S} UTC"
        if not check_stamp(stamp, [hashes.get((stamp.writer, place), "") for place in places]):
            breaks.append(Break(stamp.writer, stamp.first, ROOT, where))
        if token_check is not None and (why := token_check(stamp)) is not None:
            breaks.append(Break(stamp.writer, stamp.first, TOKEN, f"{where}: {why}"))
    return covered, count, [*breaks, *_gaps(rows, [stamp for stamp in stamps if stamp.possible])]


def _gaps(rows: Sequence[JournalRow], stamps: Sequence[JournalStamp]) -> list[Break]:
    """Stamps follow one another without a gap, also after an outage: one that is missing was taken away. Of the last
    ones that cannot be told from rows that still wait; how many wait is in the verdict."""
    ends: dict[str, int] = defaultdict(int)
    covered: dict[str, set[int]] = defaultdict(set)
    for stamp in stamps:
        ends[stamp.writer] = max(ends[stamp.writer], stamp.last)
        covered[stamp.writer].update(range(stamp.first, stamp.last + 1))
    bare = (row for row in rows if row.position < ends[row.writer] and row.position not in covered[row.writer])
    return [Break(row.writer, row.position, GAP) for row in bare]


def _verify_purges(
    rows: Sequence[JournalRow], every: Sequence[JournalRow], check: SignatureCheck | None
) -> list[Break]:
    """A purge is told of by the system's own journal, whichever of its writers did it. Not judged where the journal's
    bodies stay sealed, for then it cannot be read."""
    sealed = {_system(row) for row in every if row.sealed is not None}
    purged: dict[str, datetime] = {}
    for row in every:
        if (before := _purged_before(row)) is not None and (check is None or check(row)):
            purged[_system(row)] = max(before, purged.get(_system(row), before))
    gone = (row for row in rows if row.body is None and row.sealed is None and _system(row) not in sealed)
    untold = (row for row in gone if _system(row) not in purged or row.time >= purged[_system(row)])
    return [Break(row.writer, row.position, GONE) for row in untold]


def _purged_before(row: JournalRow) -> datetime | None:
    """What the row tells of a purge, if it does and is as it was written."""
    if row.kind != "admin" or row.body is None or hashlib.sha256(row.body.encode()).hexdigest() != row.body_sha256:
        return None
    if row.hash != row_hash(row):
        return None
    return datetime.fromisoformat(row.facts["before"]) if row.facts.get("action") == "bodies.purged" else None


def _system(row: JournalRow) -> str:
    return row.writer.split("/")[0]


def _following(check: SignatureCheck | None, total: int, progress: Progress) -> SignatureCheck | None:
    """The same check, which tells how far it is: signatures are what takes the time."""
    if check is None:
        return None
    done = 0

    def followed(row: JournalRow) -> bool:
        nonlocal done
        done += 1
        if done % STEP == 0:
            progress(done, total)
        return check(row)

    return followed


def told(one: Break, rows: Mapping[tuple[str, int], JournalRow]) -> str:
    """A break in plain words: where, since when, what it means."""
    row = rows.get((one.writer, one.position))
    when = "" if row is None else f" of {row.time:%Y-%m-%d %H:%M:%S} UTC"
    detail = f" ({one.detail})" if one.detail else ""
    return f"{one.writer}, position {one.position}{when}: {one.reason}: {MEANINGS[one.reason]}{detail}"


def report(verdict: Verdict) -> dict[str, Any]:
    """The verdict as data."""
    return {
        "status": {SOUND: "sound", BROKEN: "broken", EMPTY: "empty"}[verdict.status],
        "rows": verdict.rows,
        "writers": dict(sorted(verdict.writers.items())),
        "witnesses": verdict.witnesses,
        "signatures_checked": verdict.signed,
        "stamps": verdict.stamps,
        "rows_stamped": verdict.stamped,
        "tokens_checked": verdict.tokens_checked,
        "bodies_unopened": verdict.unopened,
        "breaks": [
            {"writer": one.writer, "position": one.position, "reason": one.reason, "detail": one.detail}
            for one in verdict.breaks
        ],
    }
