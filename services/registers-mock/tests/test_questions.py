"""Questions over the bus: what is found, how places are given, and how they move."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.exc import IntegrityError

from egovkit.contracts import contracts_dir, read_once
from egovkit.envelope import Envelope
from egovkit.messages import MessageRegister
from egovlaw.identifiers import synthetic_iin
from egovregister.testing import CENTRE, PROVIDER
from registers_mock import store
from registers_mock.domain import Register, Wish
from registers_mock.seed.entries import examples

if TYPE_CHECKING:
    from conftest import Starting

    from egovregister.testing import Bench

pytestmark = pytest.mark.service
REGION, OTHER = "atyrau", "semey"
EXAMPLES = examples(("tayynsha", "semey", "zhambyl", "atyrau", "wko"))
QUEUE = "housing_queue"
NEW = [synthetic_iin(n) for n in range(3000, 3020)]  # people no register knows


def question(twin: Bench, operation: str, register: str, iin: str, *, more: Any = None, **changes: Any) -> Envelope:
    data = {"register": register, "operation": operation, "person_iin": iin, **(more or {})}
    return twin.question("query.register", None, data=data, **({"region": REGION, "source": PROVIDER} | changes))


async def asked(twin: Bench, envelope: Envelope) -> Envelope:
    before = len(twin.sent)
    await twin.deliver(envelope)
    return (await twin.answers(before + 1))[-1]


async def one(twin: Bench, operation: str, iin: str, **changes: Any) -> dict[str, Any]:
    """The only entry of an answer about the queue."""
    [entry] = (await asked(twin, question(twin, operation, QUEUE, iin, **changes))).data["entries"]
    found: dict[str, Any] = entry
    return found


async def served(twin: Bench, category: str = "general") -> dict[str, Any]:
    answer = await twin.admin.post(f"/v1/control/queues/{QUEUE}/{REGION}/serve", json={"category": category})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


@pytest.mark.parametrize("register", ["guardianship", "unemployed", "social_assistance", QUEUE, "kindergarten_queue"])
async def test_whoever_is_in_a_register_is_found_there(twin: Bench, register: str) -> None:
    example = EXAMPLES[REGION][register]
    envelope = question(twin, "find", register, example["person_iin"])
    answer = await asked(twin, envelope)
    read_once(MessageRegister.load, contracts_dir()).check(answer.type, answer.data)
    assert (answer.recipient, answer.region, answer.correlationid) == (PROVIDER, REGION, envelope.id)
    assert (answer.data["register"], answer.data["operation"]) == (register, "find")
    [entry] = answer.data["entries"]
    assert entry["person_iin"] == example["person_iin"]
    assert entry["status"]["code"] == ("standing" if register.endswith("queue") else "active")
    assert ("number" in entry, "position" in entry) == (register.endswith("queue"),) * 2


@pytest.mark.parametrize("operation", ["find", "enqueue"])
async def test_only_a_provider_looks_up_and_enters(twin: Bench, operation: str) -> None:
    known = EXAMPLES[REGION][QUEUE]["person_iin"]
    iin = known if operation == "find" else NEW[0]
    answer = await asked(twin, question(twin, operation, QUEUE, iin, source=CENTRE))
    assert (answer.recipient, answer.data["result"]["code"], answer.data["entries"]) == (CENTRE, "00003", [])
    read_once(MessageRegister.load, contracts_dir()).check(answer.type, answer.data)
    [read] = await twin.reads()
    journalled = (await twin.journal())[-1]
    assert (read["outcome"], journalled["outcome"], journalled["recipient"]) == ("refused", "refused", CENTRE)
    assert (await asked(twin, question(twin, "position", QUEUE, NEW[0]))).data["entries"] == [], "nobody was entered"


async def test_who_has_the_applicant_before_him_is_told_the_place_his_case_was_given(twin: Bench) -> None:
    """Also where it is the child's, whom the case does not name as its applicant."""
    case, parent = twin.ids.new(), NEW[1]
    child = await one(twin, "enqueue", NEW[0], subject=case)
    seen = await one(twin, "position", parent, subject=case, source=CENTRE)
    assert (seen["person_iin"], seen["number"], seen["position"]) == (NEW[0], child["number"], child["position"])


async def test_who_stood_there_already_is_followed_by_his_second_case_too(twin: Bench) -> None:
    first = await one(twin, "enqueue", NEW[0])
    case, parent = twin.ids.new(), NEW[1]
    await one(twin, "enqueue", NEW[0], subject=case)
    assert (await one(twin, "position", parent, subject=case, source=CENTRE))["number"] == first["number"]


async def test_nobody_but_a_provider_learns_where_somebody_of_another_case_stands(twin: Bench) -> None:
    await one(twin, "enqueue", NEW[0])
    case = twin.ids.new()
    await asked(twin, question(twin, "enqueue", QUEUE, NEW[0], source=CENTRE, subject=case))  # refused: enters nobody
    strange = question(twin, "position", QUEUE, NEW[0], source=CENTRE, subject=case)
    assert (await asked(twin, strange)).data["entries"] == []
    assert (await one(twin, "position", NEW[0]))["status"]["code"] == "standing"


@pytest.mark.parametrize("register", ["unemployed", "social_assistance"])
async def test_whoever_left_a_register_is_found_with_the_day_and_was_active_before(twin: Bench, register: str) -> None:
    iin = EXAMPLES[REGION][f"{register}_ended"]["person_iin"]
    [entry] = (await asked(twin, question(twin, "find", register, iin))).data["entries"]
    assert entry["status"]["code"] == "ended" and entry["until"].startswith("2025-")
    earlier = question(twin, "find", register, iin, more={"as_of": "2025-03-01"})
    [entry] = (await asked(twin, earlier)).data["entries"]
    assert entry["status"]["code"] == "active" and "until" not in entry


async def test_a_guardian_and_his_ward_are_found_from_either_side(twin: Bench) -> None:
    guardian = EXAMPLES[REGION]["guardianship"]["person_iin"]
    [of_guardian] = (await asked(twin, question(twin, "find", "guardianship", guardian))).data["entries"]
    ward = of_guardian["related_iin"]
    [of_ward] = (await asked(twin, question(twin, "find", "guardianship", ward))).data["entries"]
    assert (of_ward["id"], of_ward["person_iin"], of_ward["related_iin"]) == (of_guardian["id"], ward, guardian)


async def test_one_region_never_sees_the_entries_of_another(twin: Bench) -> None:
    iin = EXAMPLES[OTHER]["unemployed"]["person_iin"]
    answer = await asked(twin, question(twin, "find", "unemployed", iin))
    assert (answer.data["result"]["code"], answer.data["entries"]) == ("00000", [])


async def test_places_are_given_in_the_order_of_the_questions_with_category_and_family_size(twin: Bench) -> None:
    first = await one(twin, "enqueue", NEW[0], more={"family_size": 3})
    second = await one(twin, "enqueue", NEW[1])
    large = await one(twin, "enqueue", NEW[2], more={"category": "large_family", "family_size": 6})
    assert [entry["number"] - first["number"] for entry in (first, second, large)] == [0, 1, 2]
    assert second["position"] == first["position"] + 1
    assert (first["family_size"], first["category"]["code"]) == (3, "general")
    assert (large["family_size"], large["category"]["code"]) == (6, "large_family")
    assert large["position"] < second["position"], "a list of its own"
    assert first["direction"] is False


async def test_a_case_gets_one_place_however_often_it_asks(twin: Bench) -> None:
    envelope = question(twin, "enqueue", QUEUE, NEW[0])
    first = (await asked(twin, envelope)).data["entries"]
    await served(twin)
    again = question(twin, "enqueue", QUEUE, NEW[0], subject=envelope.subject)
    assert (await asked(twin, again)).data["entries"] == first, "the first answer, not today's position"
    other_case = question(twin, "enqueue", QUEUE, NEW[0])
    assert (await asked(twin, other_case)).data["entries"] == first
    assert (await one(twin, "enqueue", NEW[1]))["number"] == first[0]["number"] + 1


async def test_the_same_envelope_again_is_answered_no_second_time(twin: Bench) -> None:
    envelope = question(twin, "enqueue", QUEUE, NEW[0])
    await twin.deliver(envelope, envelope)
    await twin.answers(1)
    assert (await one(twin, "enqueue", NEW[1]))["number"] == twin_number(twin, 0) + 1


def twin_number(twin: Bench, place: int) -> int:
    return int(Envelope.parse(twin.sent[place].body).data["entries"][0]["number"])


async def test_a_position_moves_when_somebody_before_leaves_and_the_number_stays(twin: Bench) -> None:
    before, mine = await one(twin, "enqueue", NEW[0]), await one(twin, "enqueue", NEW[1])
    path = f"/v1/entries/{before['id']}/end"
    assert (await twin.admin.post(path, json={})).json()["status"]["code"] == "removed"
    now = await one(twin, "position", NEW[1])
    assert (now["number"], now["position"]) == (mine["number"], mine["position"] - 1)
    assert (await served(twin))["status"]["code"] == "served"
    assert (await one(twin, "position", NEW[1]))["position"] == mine["position"] - 2
    assert (await asked(twin, question(twin, "position", QUEUE, NEW[0]))).data["entries"] == []
    assert (await twin.admin.post(path, json={})).json()["code"] == "entry.ended"


async def test_a_free_place_is_a_direction_for_the_first_ones_and_serving_takes_it(twin: Bench) -> None:
    mine = await one(twin, "enqueue", NEW[0])
    path = f"/v1/control/queues/{QUEUE}/{REGION}"
    assert (await twin.admin.put(f"{path}/places", json={"free": mine["position"]})).status_code == 204
    behind = await one(twin, "enqueue", NEW[1])
    assert (await one(twin, "position", NEW[0]))["direction"] is True
    assert behind["direction"] is False
    await served(twin)
    line = (await twin.admin.get(path)).json()
    assert line["free"] == mine["position"] - 1
    assert [entry["position"] for entry in line["standing"]] == list(range(1, len(line["standing"]) + 1))
    assert [entry["direction"] for entry in line["standing"]][-2:] == [True, False]


async def test_an_earlier_day_is_asked_about_without_todays_free_places(twin: Bench) -> None:
    first = EXAMPLES[REGION]["housing_queue"]["person_iin"]
    path = f"/v1/control/queues/{QUEUE}/{REGION}/places"
    for category in ("general", "large_family"):
        await twin.admin.put(path, json={"free": 100, "category": category})
    assert (await one(twin, "position", first))["direction"] is True
    earlier = await one(twin, "position", first, more={"as_of": "2025-11-30"})
    assert earlier["direction"] is False


async def test_a_category_that_is_none_gives_no_place(twin: Bench) -> None:
    answer = await asked(twin, question(twin, "enqueue", QUEUE, NEW[0], more={"category": "friends"}))
    assert (answer.data["result"]["code"], answer.data["entries"]) == ("00002", [])
    assert (await asked(twin, question(twin, "position", QUEUE, NEW[0]))).data["entries"] == []


@pytest.mark.parametrize(
    ("register", "operation", "more"),
    [
        ("unemployed", "enqueue", {}),
        ("guardianship", "position", {}),
        (QUEUE, "enqueue", {"as_of": "2020-01-01"}),
        (QUEUE, "position", {"category": "general"}),
        (QUEUE, "enqueue", {"family_size": 0}),
        (QUEUE, "leave", {}),
    ],
)
async def test_a_question_that_is_none_is_a_dead_letter(twin: Bench, register: str, operation: str, more: Any) -> None:
    await twin.deliver(question(twin, operation, register, NEW[0], more=more))
    assert await twin.dead() == ["data.invalid"]


async def test_who_asks_too_late_gets_no_place(twin: Bench) -> None:
    late = twin.clock.now() - timedelta(seconds=5)
    await twin.deliver(question(twin, "enqueue", QUEUE, NEW[0], expirytime=late))
    [read] = await twin.reads()
    assert (read["outcome"], read["criterion"], read["asked_iin"]) == ("expired", f"{QUEUE}.enqueue", NEW[0])
    assert (await asked(twin, question(twin, "position", QUEUE, NEW[0]))).data["entries"] == []


@pytest.mark.parametrize("kind", ["silent", "late", "garbage", "wrong_person", "wrong_signature", "twice"])
async def test_a_place_given_behind_a_fault_is_given_once(twin: Bench, kind: str) -> None:
    envelope = question(twin, "enqueue", QUEUE, NEW[0])
    await twin.fault(kind=kind, times=1, **({"seconds": 30.0} if kind == "late" else {}))
    await twin.deliver(envelope)
    await twin.later(31)
    expected = {"silent": 0, "twice": 2}.get(kind, 1)
    answers = await twin.answers(expected)
    if kind == "wrong_person":
        assert answers[0].data["entries"][0]["person_iin"] != NEW[0]
    retried = question(twin, "enqueue", QUEUE, NEW[0], subject=envelope.subject)
    number = (await asked(twin, retried)).data["entries"][0]["number"]
    assert (await one(twin, "enqueue", NEW[1]))["number"] == number + 1
    [read] = await twin.reads(case=envelope.subject, limit=1)
    assert read["outcome"] == "answered"


async def _race(twin: Bench) -> None:
    """Many cases at once, some of the same person: every number once, and no gap."""
    wishes = [question(twin, "enqueue", QUEUE, NEW[n % 16]) for n in range(20)]
    await asyncio.gather(*(twin.deliver(wish) for wish in wishes))
    entries = [answer.data["entries"][0] for answer in await twin.answers(20)]
    numbers = {entry["person_iin"]: entry["number"] for entry in entries}
    assert all(numbers[entry["person_iin"]] == entry["number"] for entry in entries)
    assert sorted(numbers.values()) == list(range(min(numbers.values()), min(numbers.values()) + 16))


async def _one_place(twin: Bench) -> None:
    """By the index alone, with nobody waiting for his turn; who has left may be entered again."""
    wish = Wish(Register(QUEUE), REGION, NEW[16], twin.app.state.akimats.today, "general")
    first = await one(twin, "enqueue", NEW[16])
    with pytest.raises(IntegrityError, match=r"entries_standing|entries\.person_iin"):
        async with twin.node.db.begin() as conn:
            await store.add(conn, wish, last=first["number"])
    assert (await twin.admin.post(f"/v1/entries/{first['id']}/end", json={})).status_code == 200
    assert (await one(twin, "enqueue", NEW[16]))["number"] == first["number"] + 1


async def test_numbers_have_no_gap_when_many_ask_at_once(twin: Bench) -> None:
    await _race(twin)


async def test_the_database_itself_refuses_a_second_standing_place_of_a_person(twin: Bench) -> None:
    await _one_place(twin)


@pytest.mark.connected
async def test_the_same_on_postgresql_with_many_connections(starting: Starting, postgres_url: str) -> None:
    async with starting(db_url=postgres_url) as twin:
        await _race(twin)
        await _one_place(twin)
