"""ШЭП over HTTP: a partner's envelopes and inbox, and attachments."""

from __future__ import annotations

import threading
from hashlib import sha256

import pytest

from gateway_shep.attachments import MAX_CASE, MAX_FILE

from .conftest import CODES, Shep
from .test_judge import by_trunk, envelope, registered, submitted, trail
from .test_questions import ASKED, answer, query

pytestmark = pytest.mark.service
PDF = b"%PDF-1.7\n" + bytes(range(256)) * 8
JSON_TYPE = "application/cloudevents+json"


@pytest.fixture
async def bus(shep: Shep) -> Shep:
    for code in CODES[1:]:
        await shep.enrol(code)
    return shep


async def test_a_partner_posts_an_envelope_and_gets_the_receipt(bus: Shep) -> None:
    wire = bus.sign(submitted(bus, bus.ids.new()))
    answer = await bus.http.post("/v1/envelopes", content=wire.raw, headers=wire.headers())
    assert answer.status_code == 202 and answer.json()["state"] == "accepted"
    again = await bus.http.post("/v1/envelopes", content=wire.raw, headers=wire.headers())
    assert again.json()["receipt"] == answer.json()["receipt"]


async def test_a_refused_envelope_is_a_problem_with_code_side_clause_and_remedy(bus: Shep) -> None:
    wire = bus.sign(submitted(bus, bus.ids.new(), ("P1",)))
    headers = {**wire.headers(), "accept-language": "kk"}
    answer = await bus.http.post("/v1/envelopes", content=wire.raw, headers=headers)
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["code"] == "order.trail_broken" and problem["side"] == "sender" and problem["clause"]
    assert problem["remedy"] and answer.headers["content-language"] == "kk"


@pytest.mark.parametrize(
    ("content", "content_type", "status", "code"),
    [
        (b"{}", "application/json", 415, "request.media_type"),
        (b"{", JSON_TYPE, 400, "envelope.malformed"),
        (b'{"id":1,"id":2}', JSON_TYPE, 400, "envelope.malformed"),
        (b"[" * 100_000, JSON_TYPE, 400, "envelope.malformed"),
        (b"x" * (300 * 1024), JSON_TYPE, 413, "request.too_large"),
        ("ә'; DROP TABLE cases; --<script>".encode(), JSON_TYPE, 400, "envelope.malformed"),
    ],
)
async def test_what_is_no_envelope_is_a_problem(
    bus: Shep, content: bytes, content_type: str, status: int, code: str
) -> None:
    headers = {"content-type": content_type, "egov-signature": "a..b"}
    answer = await bus.http.post("/v1/envelopes", content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["remedy"]


async def test_an_inbox_is_its_owners_alone(bus: Shep) -> None:
    assert (await bus.http.get("/v1/inbox")).json()["code"] == "access.missing"
    mine = await bus.http.get("/v1/inbox", headers=bus.access("portal-pep"))
    assert mine.json() == {"items": []}
    as_another = bus.access("portal-pep", iss="provider-arm")
    assert (await bus.http.get("/v1/inbox", headers=as_another)).json()["code"] == "access.invalid"
    for_another = bus.access("portal-pep", aud="somebody-else")
    assert (await bus.http.get("/v1/inbox", headers=for_another)).json()["code"] == "access.invalid"


@pytest.mark.parametrize("change", [{"exp": 10**10}, {"iat": 0, "exp": 60}])
async def test_an_access_token_lives_for_a_minute(bus: Shep, change: dict[str, int]) -> None:
    answer = await bus.http.get("/v1/inbox", headers=bus.access("portal-pep", **change))
    assert answer.json()["code"] == "access.expired"


async def put(bus: Shep, case: str, body: bytes = PDF, by: str = "portal-pep", kind: str = "application/pdf"):  # type: ignore[no-untyped-def]
    digest = sha256(body).hexdigest()
    headers = {**bus.access(by), "content-type": kind}
    return await bus.http.put(f"/v1/attachments/{digest}?case={case}", content=body, headers=headers)


async def test_an_attachment_is_stored_once_encrypted_and_read_by_the_cases_provider(bus: Shep) -> None:
    case = bus.ids.new()
    assert (await put(bus, case)).status_code == 201
    assert (await put(bus, case)).status_code == 200
    path = f"/v1/attachments/{sha256(PDF).hexdigest()}?case={case}"
    before = await bus.http.get(path, headers=bus.access("provider-arm"))
    assert (before.status_code, before.json()["code"]) == (404, "attachment.unknown")
    await bus.take(submitted(bus, case))
    read = await bus.http.get(path, headers=bus.access("provider-arm"))
    assert read.content == PDF and read.headers["content-type"] == "application/pdf"
    home = bus.app.state.node.settings.attachments_dir
    assert all(PDF[:64] not in file.read_bytes() for file in home.rglob("*") if file.is_file())


async def test_an_attachment_of_another_case_stays_closed(bus: Shep) -> None:
    one, two = bus.ids.new(), bus.ids.new()
    await put(bus, one)
    await bus.take(submitted(bus, two))
    path = f"/v1/attachments/{sha256(PDF).hexdigest()}?case={two}"
    assert (await bus.http.get(path, headers=bus.access("provider-arm"))).status_code == 404
    assert (await put(bus, two, by="regional-gateway-rshep")).json()["code"] == "attachment.foreign_case"


async def test_bad_attachments_are_named_and_nothing_is_stored(bus: Shep) -> None:
    case = bus.ids.new()
    html = await put(bus, case, kind="text/html")
    assert (html.status_code, html.json()["code"]) == (415, "attachment.type_not_allowed")
    assert (await put(bus, case, body=b"")).json()["code"] == "attachment.too_large"
    huge = await put(bus, case, body=bytes(MAX_FILE + 1))
    assert huge.status_code == 413
    headers = {**bus.access("portal-pep"), "content-type": "application/pdf"}
    wrong = await bus.http.put(f"/v1/attachments/{'0' * 64}?case={case}", content=PDF, headers=headers)
    assert wrong.json()["code"] == "attachment.digest_mismatch"
    assert (await bus.http.put(f"/v1/attachments/{'0' * 64}?case={case}", content=PDF)).status_code == 401


async def test_a_case_holds_so_many_bytes_and_no_more(bus: Shep) -> None:
    case = bus.ids.new()
    for n in range(MAX_CASE // MAX_FILE):
        assert (await put(bus, case, body=bytes([n]) * MAX_FILE)).status_code == 201
    assert (await put(bus, case)).json()["code"] == "attachment.case_full"
    assert sha256(PDF).hexdigest() not in stored(bus), "or a member fills the disk by what is refused"


async def test_the_page_of_a_result_is_the_providers_to_store_and_the_origins_to_read(bus: Shep) -> None:
    """However full the applicant's copies have made the case; and it stays."""
    case, page = bus.ids.new(), PDF + b"signed by an official"
    for n in range(MAX_CASE // MAX_FILE):
        await put(bus, case, body=bytes([n]) * MAX_FILE)
    await bus.take(submitted(bus, case))
    assert (await put(bus, case, body=page, by="regional-gateway-rshep")).json()["code"] == "attachment.foreign_case"
    assert (await put(bus, case, body=page, by="provider-arm")).status_code == 201
    path = f"/v1/attachments/{sha256(page).hexdigest()}?case={case}"
    assert (await bus.http.get(path, headers=bus.access("portal-pep"))).content == page
    stranger = await bus.http.get(path, headers=bus.access("regional-gateway-rshep"))
    assert stranger.json()["code"] == "attachment.unknown"
    assert sha256(page).hexdigest() in await kept(bus)


async def test_bytes_of_an_application_that_never_came_are_forgotten(bus: Shep) -> None:
    left, kept = bus.ids.new(), bus.ids.new()
    await put(bus, left)
    await put(bus, kept, body=PDF + b"2")
    await bus.take(submitted(bus, kept))
    await bus.clock.advance(25 * 3600)
    bus.pki.publish()
    await bus.app.state.running.attachments.sweep()
    assert stored(bus) == {sha256(PDF + b"2").hexdigest()}


async def test_bytes_that_are_gone_already_keep_no_others_from_being_forgotten(bus: Shep) -> None:
    """As after a round that ended between the bytes and the row: nothing of it is done again by hand."""
    case = bus.ids.new()
    await put(bus, case)
    await put(bus, case, body=PDF + b"2")
    digest = sha256(PDF).hexdigest()
    (bus.app.state.node.settings.attachments_dir / digest[:2] / digest).unlink()
    assert await kept(bus) == set()


async def test_the_cipher_never_holds_the_loop(bus: Shep, monkeypatch: pytest.MonkeyPatch) -> None:
    """10 MB take longer than a whole batch of envelopes."""
    sealer, threads = bus.app.state.running.attachments._sealer, set[threading.Thread]()

    class Watched:
        def seal(self, plain: bytes, aad: bytes) -> bytes:
            threads.add(threading.current_thread())
            return bytes(sealer.seal(plain, aad))

        def open(self, sealed: bytes, aad: bytes) -> bytes:
            threads.add(threading.current_thread())
            return bytes(sealer.open(sealed, aad))

    monkeypatch.setattr(bus.app.state.running.attachments, "_sealer", Watched())
    case = bus.ids.new()
    await put(bus, case)
    path = f"/v1/attachments/{sha256(PDF).hexdigest()}?case={case}"
    assert (await bus.http.get(path, headers=bus.access("portal-pep"))).content == PDF
    assert threads and threading.current_thread() not in threads


def stored(bus: Shep) -> set[str]:
    return {f.name for f in bus.app.state.node.settings.attachments_dir.rglob("*") if f.is_file()}


async def kept(bus: Shep) -> set[str]:
    """The files that are left when nothing new has come for more than a day."""
    await bus.clock.advance(25 * 3600)
    bus.pki.publish()
    await bus.app.state.running.attachments.sweep()
    return stored(bus)


async def test_bytes_of_a_case_that_only_asked_a_register_are_forgotten_like_any_others(bus: Shep) -> None:
    """ШЭП knows a centre's case before anything was submitted; that is no reason to keep its scans for ever."""
    await bus.enrol("con-arm")
    await bus.enrol("gbd-fl-mock")
    case = bus.ids.new()
    await put(bus, case, body=PDF + b"before", by="con-arm")
    asked = await bus.take(query(bus, case))
    assert asked.error is None
    assert (await put(bus, case, body=PDF + b"after", by="con-arm")).status_code == 201
    assert await kept(bus) == set()


async def test_bytes_of_a_case_that_was_registered_without_a_submission_are_kept(bus: Shep) -> None:
    """The provider's own channel: the case is registered where it was entered."""
    await bus.enrol("gbd-fl-mock")
    case = bus.ids.new()
    own = {"channel": "provider"}
    data = {**ASKED, "clause": "7 3)", "trail": trail(bus, "P1", "P2")}
    asked = envelope(bus, "query.person", case, "provider-arm", "gbd-fl-mock", "P3", data, **own)
    assert (await by_trunk(bus, asked)).error is None
    assert (await bus.take(answer(bus, asked))).error is None
    before, after = PDF + b"before", PDF + b"after"
    await put(bus, case, body=before, by="provider-arm")
    number = registered(bus, case, recipient="gateway-shep", caseseq=2, **own)
    number.data["trail"] = trail(bus, "C1+", "P5")
    assert (await by_trunk(bus, number)).error is None
    assert (await put(bus, case, body=after, by="provider-arm")).status_code == 201
    assert await kept(bus) == {sha256(before).hexdigest(), sha256(after).hexdigest()}


async def test_what_waits_at_the_door_goes_to_the_queue_of_who_takes_from_the_broker_again(bus: Shep) -> None:
    """Once: what was fetched and acknowledged meanwhile does not come a second time."""
    await bus.enrol("con-arm")
    await bus.enrol("gbd-fl-mock")
    await deliver(bus, "gbd-fl-mock", "http")
    first, second = query(bus, bus.ids.new()), query(bus, bus.ids.new())
    for asked in (first, second):
        assert (await bus.take(asked)).error is None
    mine = bus.access("gbd-fl-mock")
    waiting = (await bus.http.get("/v1/inbox", headers=mine)).json()["items"]
    assert {first.id, second.id} <= {one["id"] for one in waiting}
    fetched = [one["id"] for one in waiting if one["id"] != second.id]
    taken = await bus.http.post("/v1/inbox/ack", json={"ids": fetched}, headers=mine)
    assert taken.json() == {"acknowledged": len(fetched)}
    await deliver(bus, "gbd-fl-mock", "amqp")
    await relayed(bus)
    await relayed(bus)
    asked_by_queue = [one.id for one in bus.inbox("inbox.gbd-fl-mock") if one.type == second.type]
    assert asked_by_queue == [second.id]
    assert (await bus.http.get("/v1/inbox", headers=mine)).json() == {"items": []}


async def deliver(bus: Shep, code: str, how: str) -> None:
    changed = await bus.http.patch(f"/v1/participants/{code}", json={"delivery": how}, headers=bus.admin)
    assert changed.json()["delivery"] == how


async def relayed(bus: Shep) -> None:
    """A round of the relay for what is to move, and one that publishes it."""
    publisher = bus.app.state.running.door.gateway.parts.publisher
    for _ in range(2):
        await publisher.relay_once()
        await publisher.idle()
