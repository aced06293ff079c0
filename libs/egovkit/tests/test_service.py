from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any

import httpx
import pytest
from fastapi import FastAPI, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.types import Message

from egovkit.clock import HandClock
from egovkit.contracts import contracts_dir
from egovkit.declared import refuses
from egovkit.errors import EgovError
from egovkit.log import current_traceparent
from egovkit.problems import Problems
from egovkit.routes import Routes
from egovkit.service import create_service

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
KAZAKH = "Әә Ғғ Ққ Ңң Өө Ұұ Үү Һһ Іі"
pytestmark = pytest.mark.service


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class Deep(Strict):
    name: str = Field(max_length=200)


class Body(Strict):
    iin: str = Field(default="990101999999", pattern=r"^\d{12}$")
    rooms: int = 1
    items: list[Deep] = []
    either: bool | Annotated[str, Field(max_length=3)] | list[int] | Deep = True


api = Routes(prefix="/v1")


@api.post("/cases/{case}")
async def create(case: str, body: Body) -> Body:
    return body


@api.delete("/cases/{case}", status_code=204)
async def withdraw(case: str) -> None: ...


@api.get("/cases")
async def list_cases(limit: Annotated[int, Query(ge=1, le=100)] = 10) -> dict[str, int]:
    return {"limit": limit}


@api.put("/files/{name}")
@refuses("request.too_large")
async def upload(name: str, request: Request) -> dict[str, int]:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
    return {"size": size}


@api.get("/fail/{how}")
@refuses("request.too_large", "service.unavailable")
async def fail(how: str) -> StreamingResponse:
    if how == "refused":
        raise EgovError("request.too_large", clause="п. 8.3", limit=7)
    if how == "busy":
        raise EgovError("service.unavailable", waiting_for="x")
    if how == "teapot":
        raise HTTPException(418, "I'm a teapot with a secret")
    if how == "stream":

        async def half() -> AsyncIterator[bytes]:
            yield b"half"
            raise RuntimeError("secret in the middle")

        return StreamingResponse(half())
    raise RuntimeError("password=hunter2 at /etc/passwd")


@api.get("/trace")
async def trace() -> dict[str, str | None]:
    return {"trace": current_traceparent()}


def make(clock: HandClock, **options: Any) -> FastAPI:
    app = create_service(
        "portal-pep",
        problems=Problems.load(contracts_dir()),
        clock=clock,
        max_body=1000,
        body_limits=[(r"/v1/files/[^/]+", 5000)],
        **options,
    )
    app.serve(api)
    return app


def client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://portal")


@pytest.fixture
async def http(clock: HandClock) -> AsyncIterator[httpx.AsyncClient]:
    async with client(make(clock)) as http:
        yield http


JSON = {"content-type": "application/json"}


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert (answer.status_code, document["status"], document["code"]) == (status, status, code)
    assert {"type", "title", "detail", "side", "remedy", "instance"} <= set(document)
    return document


# --- bodies ----------------------------------------------------------------------------------------------------


async def test_a_good_body_passes(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/cases/1", json={"items": [{"name": KAZAKH}]})
    assert (answer.status_code, answer.json()["items"][0]["name"]) == (200, KAZAKH)


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "'; DROP TABLE cases;--",
        "{{7*7}}",
        "${jndi:ldap://x}",
        KAZAKH,
        "\u202eabc",
        "👩‍👩‍👧",
    ],
)
async def test_html_and_sql_in_text_are_just_text(http: httpx.AsyncClient, text: str) -> None:
    answer = await http.post("/v1/cases/1", json={"items": [{"name": text}]})
    assert answer.json()["items"] == [{"name": text}]


async def test_wrong_missing_and_unknown_fields_are_each_named(http: httpx.AsyncClient) -> None:
    body = {
        "iin": "12",
        "rooms": "2",
        "items": [{"name": "x" * 201}, {}, {"name": "y", "role": "admin"}],
        "admin": True,
    }
    answer = await http.post("/v1/cases/1", json=body, headers={"accept-language": "en"})
    document = problem(answer, 422, "request.invalid")
    assert {(error["field"], error["code"]) for error in document["errors"]} == {
        ("iin", "wrong_form"),
        ("rooms", "wrong_type"),
        ("items.0.name", "too_long"),
        ("items.1.name", "missing"),
        ("items.2.role", "unknown"),
        ("admin", "unknown"),
    }
    assert {error["message"] for error in document["errors"]} >= {"Too long; at most 200.", "This field is required."}


@pytest.mark.parametrize(
    ("either", "wrong"),
    [
        ("four", {"either": "too_long"}),
        (1.5, {"either": "wrong_type"}),
        ([1, "x"], {"either": "wrong_type", "either.1": "wrong_type"}),
        ({"name": "y", "role": "x"}, {"either": "wrong_type", "either.role": "unknown"}),
        ({}, {"either": "wrong_type", "either.name": "missing"}),
    ],
)
async def test_a_field_of_several_types_is_named_as_it_was_sent(
    http: httpx.AsyncClient, either: Any, wrong: dict[str, str]
) -> None:
    document = problem(await http.post("/v1/cases/1", json={"either": either}), 422, "request.invalid")
    assert [(error["field"], error["code"]) for error in document["errors"]] == list(wrong.items())


async def test_values_are_not_echoed(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/cases/1", json={"iin": "990101 Сынақов"})
    assert "Сынақов" not in answer.text


async def test_true_is_not_a_number(http: httpx.AsyncClient) -> None:
    document = problem(await http.post("/v1/cases/1", json={"rooms": True}), 422, "request.invalid")
    assert document["errors"][0]["field"] == "rooms"


async def test_a_wrong_query_parameter_is_named_as_such(http: httpx.AsyncClient) -> None:
    document = problem(await http.get("/v1/cases?limit=1000"), 422, "request.invalid")
    assert document["errors"][0] | {"message": ""} == {"field": "query.limit", "code": "out_of_range", "message": ""}
    assert "100" in document["errors"][0]["message"]


async def test_a_missing_body_is_a_missing_field(http: httpx.AsyncClient) -> None:
    problem(await http.post("/v1/cases/1"), 422, "request.invalid")


async def test_a_thousand_wrong_fields_are_cut(http: httpx.AsyncClient) -> None:
    raw = b"{" + b",".join(b'"%d":1' % number for number in range(120)) + b"}"
    document = problem(await http.post("/v1/cases/1", content=raw, headers=JSON), 422, "request.invalid")
    assert len(document["errors"]) == 50


@pytest.mark.parametrize(("raw", "position"), [(b'{"rooms": }', 10), (b"[1,", 3), (b"nonsense", 0)])
async def test_malformed_json_is_refused_with_its_position(http: httpx.AsyncClient, raw: bytes, position: int) -> None:
    answer = await http.post("/v1/cases/1", content=raw, headers=JSON)
    assert problem(answer, 400, "request.malformed_json")["position"] == position


@pytest.mark.parametrize(
    "raw",
    [
        b'{"rooms":1,"rooms":2}',
        b'{"iin":"\\u0000"}',
        b'{"iin":"\\ud800"}',
        b'{"rooms":NaN}',
        b'{"iin":"\xff\xfe"}',
        b'{"rooms":' + b"9" * 400 + b"}",
        b"[" * 499 + b"]" * 499,
        b"\xef\xbb\xbf{}",
    ],
    ids=["twice", "nul", "surrogate", "nan", "not utf-8", "huge number", "deep", "byte order mark"],
)
async def test_json_that_readers_disagree_about_is_refused(http: httpx.AsyncClient, raw: bytes) -> None:
    answer = await http.post("/v1/cases/1", content=raw, headers=JSON)
    problem(answer, 400, "request.malformed")


@pytest.mark.parametrize(
    "media", ["text/plain", "application/xml", "multipart/form-data; boundary=x", "", "json", "*/*"]
)
async def test_a_wrong_media_type_is_415(http: httpx.AsyncClient, media: str) -> None:
    answer = await http.post("/v1/cases/1", content=b"{}", headers={"content-type": media} if media else {})
    assert problem(answer, 415, "request.media_type")["expected"] == "application/json"


@pytest.mark.parametrize(
    "media", ["application/json", "Application/JSON; charset=utf-8", "application/cloudevents+json"]
)
async def test_json_by_any_of_its_names_is_taken(http: httpx.AsyncClient, media: str) -> None:
    answer = await http.post("/v1/cases/1", content=b"{}", headers={"content-type": media})
    assert answer.status_code == 200


async def test_raw_uploads_have_types_of_their_own(http: httpx.AsyncClient) -> None:
    assert (await http.put("/v1/files/a", content=b"x", headers={"content-type": "image/png"})).json() == {"size": 1}


# --- size ------------------------------------------------------------------------------------------------------


async def chunks(size: int, seen: list[int]) -> AsyncIterator[bytes]:
    for number in range(size // 100):
        seen.append(number)
        yield b"x" * 100


async def test_a_body_announced_too_large_is_refused_unread(http: httpx.AsyncClient) -> None:
    seen: list[int] = []
    headers = {**JSON, "content-length": "1001"}
    answer = await http.post("/v1/cases/1", content=chunks(10_000, seen), headers=headers)
    assert problem(answer, 413, "request.too_large")["limit"] == 1000
    assert seen == []


async def test_a_body_without_length_is_cut_off_while_it_streams(http: httpx.AsyncClient) -> None:
    seen: list[int] = []
    answer = await http.post("/v1/cases/1", content=chunks(1_000_000, seen), headers=JSON)
    problem(answer, 413, "request.too_large")
    assert len(seen) <= 12, "what comes after the limit is not read"


async def test_a_raw_upload_is_cut_off_at_its_own_limit(http: httpx.AsyncClient) -> None:
    assert (await http.put("/v1/files/a", content=chunks(5000, []))).json() == {"size": 5000}
    seen: list[int] = []
    answer = await http.put("/v1/files/a", content=chunks(1_000_000, seen))
    assert problem(answer, 413, "request.too_large")["limit"] == 5000
    assert len(seen) <= 52


async def test_a_body_of_exactly_the_limit_passes(http: httpx.AsyncClient) -> None:
    raw = b'{"rooms":1' + b" " * 989 + b"}"
    assert len(raw) == 1000
    assert (await http.post("/v1/cases/1", content=raw, headers=JSON)).status_code == 200


@pytest.mark.parametrize("length", ["-1", "1e3", "०", "9" * 30])
async def test_a_forged_length_is_refused(clock: HandClock, length: str) -> None:
    sent: list[Mapping[str, Any]] = []

    async def receive() -> Mapping[str, Any]:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json"), (b"content-length", length.encode("utf-8"))]
    scope = {"type": "http", "method": "POST", "path": "/v1/cases/1", "query_string": b"", "headers": headers}
    await make(clock)(scope, receive, send)  # type: ignore[arg-type]
    assert sent[0]["status"] in (400, 413)


# --- addresses and failures ------------------------------------------------------------------------------------


async def test_an_unknown_address_is_a_problem(http: httpx.AsyncClient) -> None:
    document = problem(await http.get("/v1/nothing"), 404, "request.not_found")
    assert document["instance"] == "/v1/nothing"


async def test_a_wrong_method_is_a_problem_that_names_the_right_ones(http: httpx.AsyncClient) -> None:
    answer = await http.delete("/v1/cases")
    problem(answer, 405, "request.method_not_allowed")
    assert answer.headers["allow"] == "GET"
    assert (await http.patch("/v1/cases/1")).headers["allow"] == "DELETE, POST", "of all routes of the path"


@pytest.mark.parametrize("address", ["/v1/cases?limit=%00", "/v1/cases/%00"])
async def test_nul_in_an_address_is_refused(http: httpx.AsyncClient, address: str) -> None:
    problem(await http.get(address), 400, "request.malformed")


async def test_a_refusal_is_rendered_with_clause_and_parameters(http: httpx.AsyncClient) -> None:
    document = problem(await http.get("/v1/fail/refused"), 413, "request.too_large")
    assert (document["clause"], document["limit"]) == ("п. 8.3", 7)


@pytest.mark.parametrize("how", ["bug", "teapot"])
async def test_a_failure_of_ours_says_nothing_of_its_cause_but_is_logged(
    http: httpx.AsyncClient, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await http.get(f"/v1/fail/{how}")
    problem(answer, 500, "service.internal")
    for secret in ("hunter2", "passwd", "RuntimeError", "teapot"):
        assert secret not in answer.text.replace(f"/v1/fail/{how}", "")
    assert "http.unhandled" in caplog.text or "http.foreign_status" in caplog.text


async def test_a_client_that_goes_in_the_middle_of_its_body_is_no_failure_of_ours(
    clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    app, said = make(clock), list[Message]()
    heard: list[Message] = [{"type": "http.request", "body": b"a", "more_body": True}, {"type": "http.disconnect"}]

    async def receive() -> Message:
        return heard.pop(0)

    async def send(message: Message) -> None:
        said.append(message)

    scope = {"type": "http", "method": "PUT", "path": "/v1/files/x", "headers": [], "query_string": b""}
    await app(scope, receive, send)
    assert said == [] and "http.unhandled" not in caplog.text
    async with client(app) as http:
        counted = [line for line in (await http.get("/metrics")).text.splitlines() if "http_requests_total{" in line]
    assert [line for line in counted if 'status="500"' in line] == []
    assert [line for line in counted if 'route="/v1/files/{name}"' in line and 'status="499"' in line]


async def test_a_stream_that_breaks_half_way_is_cut_not_completed(
    http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(EgovError):
        await http.get("/v1/fail/stream")
    assert "http.unhandled" in caplog.text


async def test_a_service_that_is_busy_says_when_to_come_again(http: httpx.AsyncClient) -> None:
    answer = await http.get("/v1/fail/busy")
    problem(answer, 503, "service.unavailable")
    assert answer.headers["retry-after"] == "5"


@pytest.mark.parametrize(("asked", "given"), [("kk-KZ", "kk"), ("en", "en"), ("fr", "ru"), (None, "ru")])
async def test_problems_speak_the_callers_language(http: httpx.AsyncClient, asked: str | None, given: str) -> None:
    answer = await http.get("/nothing", headers={"accept-language": asked} if asked else {})
    assert answer.headers["content-language"] == given
    titles = {"kk": "Ештеңе табылмады", "ru": "Ничего не найдено", "en": "Nothing is here"}
    assert answer.json()["title"] == titles[given]


# --- trace, headers, metrics -----------------------------------------------------------------------------------


async def test_the_callers_trace_is_continued_with_a_span_of_ours(http: httpx.AsyncClient) -> None:
    answer = await http.get("/v1/trace", headers={"traceparent": TRACE})
    ours = answer.json()["trace"]
    assert ours[:36] == TRACE[:36]
    assert ours[36:52] != TRACE[36:52]
    assert answer.headers["traceparent"] == ours


@pytest.mark.parametrize("sent", [None, "nonsense", f"ff{TRACE[2:]}", f"00-{'0' * 32}-b7ad6b7169203331-01"])
async def test_without_a_usable_trace_a_new_one_begins(http: httpx.AsyncClient, sent: str | None) -> None:
    answers = [await http.get("/v1/trace", headers={"traceparent": sent} if sent else {}) for _ in range(2)]
    traces = {answer.json()["trace"][3:35] for answer in answers}
    assert len(traces) == 2
    assert TRACE[3:35] not in traces


async def test_answers_are_not_cached_or_sniffed(http: httpx.AsyncClient) -> None:
    for path in ("/v1/cases", "/nothing"):
        headers = (await http.get(path)).headers
        assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")


async def test_metrics_count_by_route_never_by_identifier(http: httpx.AsyncClient) -> None:
    await http.post("/v1/cases/990101999999", json={})
    await http.get("/v1/990101999999")
    await http.request("BREW-990101999999", "/v1/cases")
    text = (await http.get("/metrics")).text
    labels = 'method="POST",route="/v1/cases/{case}",service="portal-pep",status="200"'
    assert f"egov_http_requests_total{{{labels}}} 1.0" in text
    assert 'route="unmatched"' in text
    assert "990101999999" not in text


async def test_every_application_has_metrics_of_its_own(clock: HandClock) -> None:
    first, second = make(clock), make(clock)
    async with client(first) as http:
        await http.get("/v1/cases")
    async with client(second) as http:
        assert "/v1/cases" not in (await http.get("/metrics")).text


async def test_requests_are_logged_by_route_and_health_is_not(
    http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    await http.post("/v1/cases/990101999999", json={})
    await http.get("/health/live")
    assert "/v1/cases/{case}" in caplog.text
    assert "990101999999" not in caplog.text.replace("http://portal/v1/cases/990101999999", "")
    assert "'route': '/health" not in caplog.text


# --- health ----------------------------------------------------------------------------------------------------


async def test_a_service_is_ready_when_all_its_checks_are(clock: HandClock) -> None:
    waiting: dict[str, str | None] = {"bus": None, "members": "member list"}

    async def bus() -> str | None:
        return waiting["bus"]

    async def members() -> str | None:
        return waiting["members"]

    async with client(make(clock, checks={"bus": bus, "members": members})) as http:
        answer = await http.get("/health/ready")
        assert answer.status_code == 503
        assert answer.json() == {
            "service": "portal-pep",
            "status": "waiting",
            "checks": {"bus": "ok", "members": "member list"},
        }
        assert (await http.get("/health/live")).status_code == 200, "waiting is no reason to be restarted"
        waiting["members"] = None
        assert (await http.get("/health/ready")).status_code == 200


async def test_a_check_that_fails_or_hangs_is_not_ready_and_leaks_nothing(
    clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("egovkit.service.CHECK_SECONDS", 0.05)

    async def fails() -> str | None:
        raise ConnectionError("postgresql://u:secret@h")

    async def hangs() -> str | None:
        await asyncio.Event().wait()
        return None

    async with client(make(clock, checks={"fails": fails, "hangs": hangs})) as http:
        answer = await http.get("/health/ready")
    assert answer.json()["checks"] == {"fails": "ConnectionError", "hangs": "TimeoutError"}


async def test_the_path_is_measured_at_most_every_five_seconds(clock: HandClock) -> None:
    measured = 0
    fail: Exception | None = None

    async def measure() -> Mapping[str, Any]:
        nonlocal measured
        measured += 1
        if fail is not None:
            raise fail
        return {"round_trip_ms": measured}

    async with client(make(clock, path_check=measure)) as http:
        answers = await asyncio.gather(*(http.get("/health/path") for _ in range(5)))
        assert (measured, {answer.json()["round_trip_ms"] for answer in answers}) == (1, {1})
        await clock.advance(6)
        assert (await http.get("/health/path")).json() == {
            "service": "portal-pep",
            "status": "ok",
            "round_trip_ms": 2,
            "age_s": 0.0,
        }
        for error, shown in ((EgovError("time.late"), "time.late"), (ValueError("secret"), "ValueError")):
            fail = error
            await clock.advance(6)
            broken = await http.get("/health/path")
            assert (broken.status_code, broken.json()["error"]) == (503, shown)


async def test_a_service_without_a_path_says_so(http: httpx.AsyncClient) -> None:
    assert (await http.get("/health/path")).json() == {"service": "portal-pep", "status": "unmeasured"}


async def test_openapi_describes_problems_and_no_framework_errors(http: httpx.AsyncClient) -> None:
    document = (await http.get("/openapi.json")).json()
    responses = document["paths"]["/v1/cases/{case}"]["post"]["responses"]
    assert "4XX" not in responses, "the exact ones stand in its place"
    assert {"400", "413", "415", "422", "500", "5XX"} <= set(responses)
    assert all("application/problem+json" in responses[status]["content"] for status in responses if status[0] != "2")
    assert responses["415"]["x-problem-codes"] == ["request.media_type"]
    assert "HTTPValidationError" not in json.dumps(document)
    assert not any(path.startswith(("/health", "/metrics")) for path in document["paths"])
    assert (await http.get("/docs")).status_code == 404, "its page would load scripts from elsewhere"


def test_a_call_is_built_once_for_every_application_that_serves_it(clock: HandClock) -> None:
    one, other = make(clock), make(clock)
    assert [route for route in one.routes if route in api.routes] == api.routes
    assert [route for route in other.routes if route in api.routes] == api.routes
