"""The shared tables on SQLite: reads and their answers, late answers, the one fault."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import MetaData, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.clock import HandClock
from egovkit.db import Database
from egovkit.ids import Ids
from egovregister.domain import Fault, FaultKind, Outcome
from egovregister.migrations import REVISION, create_register_tables
from egovregister.store import DUE_TOGETHER, Answered, Read, ReadFilter, RegisterStore, Waiting
from egovregister.tables import register_tables

pytestmark = pytest.mark.service
ANYBODY = ReadFilter()


@pytest.fixture
async def conn() -> AsyncIterator[AsyncConnection]:
    db = Database("sqlite+aiosqlite:///:memory:")
    async with db.begin() as conn:
        await conn.run_sync(METADATA.create_all)
        yield conn
    await db.close()


METADATA = MetaData()
STORE = RegisterStore(register_tables(METADATA))


@pytest.fixture
def read(clock: HandClock, ids: Ids) -> Read:
    return Read(
        id=ids.new(),
        at=clock.now(),
        source="con-arm",
        question=ids.new(),
        case_id=ids.new(),
        official="operator-1",
        purpose_ru="Проверка",
        clause="8 3)",
        regulation="test-regulation",
        channel="centre",
        step="P3",
        region="test-region",
        criterion="iin",
        asked_iin="1",
        as_of=date(2020, 2, 29),
        found=1,
        outcome=Outcome.BENT,
        fault=FaultKind.TWICE,
    )


async def test_a_read_comes_back_as_it_was_recorded(conn: AsyncConnection, read: Read) -> None:
    await STORE.add_read(conn, read, {"1", "2"})
    assert await STORE.reads(conn, ANYBODY, before=None, limit=10) == [(read, [])]
    assert await STORE.is_read(conn, read.source, read.question)
    assert not await STORE.is_read(conn, "portal-pep", read.question)


async def test_a_question_is_recorded_once(conn: AsyncConnection, read: Read, ids: Ids) -> None:
    from sqlalchemy.exc import IntegrityError

    await STORE.add_read(conn, read, ())
    with pytest.raises(IntegrityError):
        await STORE.add_read(conn, replace(read, id=ids.new()), ())


async def test_reads_are_found_by_person_source_and_case(conn: AsyncConnection, read: Read, ids: Ids) -> None:
    await STORE.add_read(conn, read, {"1", "2"})
    other = replace(read, id=ids.new(), question=ids.new(), source="provider-arm", case_id=None)
    await STORE.add_read(conn, other, {"2"})

    async def found(wanted: ReadFilter) -> list[str]:
        return [one.id for one, _ in await STORE.reads(conn, wanted, before=None, limit=10)]

    assert await found(ReadFilter(iin="2")) == [other.id, read.id]
    assert await found(ReadFilter(iin="1")) == [read.id]
    assert await found(ReadFilter(iin="2", source="provider-arm")) == [other.id]
    assert await found(ReadFilter(case_id=read.case_id)) == [read.id]
    assert await found(ReadFilter(iin="3")) == []


async def test_pages_follow_one_another(conn: AsyncConnection, read: Read, ids: Ids) -> None:
    made = [replace(read, id=ids.new(), question=ids.new()) for _ in range(5)]
    for one in made:
        await STORE.add_read(conn, one, ())
    first = [one for one, _ in await STORE.reads(conn, ANYBODY, before=None, limit=3)]
    rest = [one for one, _ in await STORE.reads(conn, ANYBODY, before=first[-1].id, limit=3)]
    assert [*first, *rest] == made[::-1]


async def test_answers_stand_by_their_read_with_what_was_said_against_them(
    conn: AsyncConnection, read: Read, clock: HandClock, ids: Ids
) -> None:
    await STORE.add_read(conn, read, ())
    answers = [Answered(ids.new(), read.id, clock.now(), None) for _ in range(2)]
    for answer in answers:
        await STORE.add_answer(conn, answer)
    assert await STORE.refuse(conn, answers[1].id, {"code": "data.invalid"})
    assert not await STORE.refuse(conn, ids.new(), {"code": "data.invalid"})
    [(_, left)] = await STORE.reads(conn, ANYBODY, before=None, limit=1)
    assert left == [answers[0], replace(answers[1], problem={"code": "data.invalid"})]


async def test_late_answers_are_taken_when_due_and_once(conn: AsyncConnection, clock: HandClock, ids: Ids) -> None:
    now = clock.now()
    later, soon = (Waiting(ids.new(), now + timedelta(seconds=s), {"type": "x"}, "8 3)") for s in (20, 10))
    for one in (later, soon):
        await STORE.wait(conn, one)
    assert not await STORE.is_due(conn, now + timedelta(seconds=9))
    assert await STORE.take_due(conn, now + timedelta(seconds=9)) == []
    assert await STORE.is_due(conn, now + timedelta(seconds=10))
    assert await STORE.take_due(conn, now + timedelta(seconds=10)) == [soon]
    assert await STORE.take_due(conn, now + timedelta(seconds=30)) == [later]
    assert await STORE.take_due(conn, now + timedelta(seconds=30)) == []


async def test_many_late_answers_are_taken_some_at_a_time(conn: AsyncConnection, clock: HandClock, ids: Ids) -> None:
    for _ in range(DUE_TOGETHER + 1):
        await STORE.wait(conn, Waiting(ids.new(), clock.now(), {}, "-"))
    assert [len(await STORE.take_due(conn, clock.now())) for _ in range(3)] == [DUE_TOGETHER, 1, 0]


async def test_there_is_one_fault_or_none(conn: AsyncConnection, clock: HandClock) -> None:
    assert await STORE.fault(conn) is None
    first = Fault(FaultKind.LATE, 5.5, None, "1", clock.now())
    second = Fault(FaultKind.SILENT, None, 2, None, clock.now())
    for fault in (first, second):
        await STORE.set_fault(conn, fault)
        assert await STORE.fault(conn, lock=True) == fault
    await STORE.set_fault(conn, None)
    assert await STORE.fault(conn) is None


async def test_a_counted_fault_goes_with_its_last_question(conn: AsyncConnection, clock: HandClock) -> None:
    await STORE.set_fault(conn, Fault(FaultKind.SILENT, None, 2, None, clock.now()))
    left: list[Any] = []
    while (fault := await STORE.fault(conn)) is not None:
        left.append(fault.left)
        await STORE.count_down(conn, fault)
    assert left == [2, 1]
    endless = Fault(FaultKind.SILENT, None, None, None, clock.now())
    await STORE.set_fault(conn, endless)
    await STORE.count_down(conn, endless)
    assert await STORE.fault(conn) == endless


def test_only_a_known_revision_of_the_tables_can_be_made() -> None:
    with pytest.raises(ValueError, match="not known"):
        create_register_tables(revision=REVISION + 1)


async def test_the_record_of_reads_names_no_value_but_numbers(conn: AsyncConnection, read: Read) -> None:
    """A criterion's values are personal data: only its kind and the ИИН, which reads are found by, are kept."""
    await STORE.add_read(conn, read, {"1"})
    row = (await conn.execute(text("SELECT * FROM reads"))).mappings().one()
    names = await conn.run_sync(lambda sync: {column["name"] for column in inspect(sync).get_columns("reads")})
    assert names == set(Read.__dataclass_fields__) == set(row)
