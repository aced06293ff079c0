"""Intake where the act names the counter and describes no steps there (A36): a record and a receipt. Nothing is sent,
and no step is invented."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from con_arm.domain.papers import Paper, paper_problems
from con_arm.domain.people import Operator
from con_arm.domain.steps import centre_channel
from con_arm.domain.texts import TAKEN_IN, filled
from con_arm.service.parts import Centre
from con_arm.store import counter
from con_arm.store import intakes as store
from con_arm.store.intakes import Intake
from egovkit.errors import EgovError, FieldError
from egovkit.journal import JournalEntry
from egovlaw.catalogue import Channel, Regulation
from egovlaw.identifiers import iin_problem
from egovorigin.domain.document import document_bytes, stamp
from egovorigin.origin import KAZAKHSTAN, Keep


@dataclass(frozen=True, slots=True)
class IntakeWish:
    regulation: str
    iin: str
    papers: Sequence[Paper]
    note: str | None


async def take_in(centre: Centre, operator: Operator, wish: IntakeWish, keep: Keep[Intake]) -> Intake:
    """EgovError intake.not_for_service where the act has a flow at the counter, or no counter at all."""
    regulation, channel = named_only(centre, wish.regulation)
    centre.require_region(operator, regulation)
    centre.require_in_force(regulation)
    errors = [FieldError("iin", "iin_invalid", "iin_invalid")] if iin_problem(wish.iin) else []
    errors += [FieldError(f"papers.{one.field}", one.code, one.code) for one in paper_problems(wish.papers)]
    if errors:
        raise EgovError("request.invalid", errors=errors)
    now = centre.clock.now()
    async with centre.db.begin() as conn:
        year = now.astimezone(KAZAKHSTAN).year
        number = f"{year}-{await counter.next_number(conn, f'intake/{year}'):06d}"
        papers = [paper.as_data() for paper in wish.papers]
        made = Intake(
            id=centre.ids.new(),
            number=number,
            centre=operator.centre,
            operator_id=operator.id,
            regulation=regulation.code,
            regulation_version=regulation.version,
            region=regulation.region,
            channel=channel.code,
            iin=wish.iin,
            papers=papers,
            note=wish.note,
            document=_receipt(centre, operator, regulation, channel, (number, wish)),
            at=now,
        )
        await store.add(conn, made)
        facts = {"service": centre.settings.code, "by": operator.id, "intake": made.id, "receipt": number}
        body = {"action": "intake.recorded", **facts, "regulation": regulation.code, "channel": channel.code}
        await centre.journal.note(conn, [JournalEntry("admin", now, None, body)])
        await keep(conn, made)
    return made


def named_only(centre: Centre, code: str) -> tuple[Regulation, Channel]:
    """A service whose act names the counter and describes nothing there."""
    regulation = centre.catalogue.regulation(code)
    channel = None if regulation is None else centre_channel(regulation)
    if regulation is None or channel is None or channel.has_flow:
        raise EgovError("intake.not_for_service", regulation=code[:80])
    return regulation, channel


def _receipt(
    centre: Centre, operator: Operator, regulation: Regulation, channel: Channel, what: tuple[str, IntakeWish]
) -> bytes:
    number, wish = what
    text = filled(TAKEN_IN, papers="; ".join(paper.name for paper in wish.papers))
    return document_bytes(
        {
            "kind": "intake-receipt",
            "number": number,
            "regulation": regulation.code,
            "version": regulation.version,
            "title_ru": regulation.title_ru,
            "title_kk": regulation.title_kk,
            "channel": channel.code,
            "clauses": list(channel.clauses),
            "centre": operator.centre,
            "operator": operator.id,
            "applicant": {"iin": wish.iin},
            "papers": [paper.as_data() for paper in wish.papers],
            "note": wish.note,
            "text_ru": text.ru,
            "text_kk": text.kk,
            "at": stamp(centre.clock.now()),
        }
    )


async def intake(centre: Centre, operator: Operator, id_: str) -> Intake:
    async with centre.db.read() as conn:
        found = await store.intake(conn, id_, operator.centre)
    if found is None:
        raise EgovError("intake.not_found")
    return found


async def intakes(centre: Centre, operator: Operator, *, before: str | None, limit: int) -> tuple[list[Intake], bool]:
    """One page, newest first, and whether there is another."""
    async with centre.db.read() as conn:
        found = await store.intakes_of(conn, operator.centre, before=before, limit=limit + 1)
    return found[:limit], len(found) > limit
