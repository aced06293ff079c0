"""A case of the request log as a scenario: what people did from the log, the rest from the act. (That such a scenario
plays green is shown end to end.)"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.case_scenario import NoScenario, scenario_of_case
from sandbox.exchange_log import Exchange
from sandbox.replay.reading import load_all
from sandbox.replay.scenario import Paper, Scenario
from sandbox.target import Member

MEMBER = Member("m", "m", "http://m")
CASE = "019bc000-0000-7000-8000-000000000001"
PLACE = {"regulation": "atyrau-housing-queue", "channel": "portal"}
DONE_BY_CITIZEN = (("P1", "done"), ("C1", "ok"), ("P3", "done"), ("C2", "ok"))
REASON = {"code": "documents.incomplete", "text": "Жоқ. / Нет."}


def side(body: bytes) -> dict[str, Any]:
    return {"headers": {}, "body": base64.b64encode(body).decode(), "size": len(body), "cut": False}


def said(name: str, step: str, trail: Any = (), notes: Any = (), **data: Any) -> Exchange:
    told = [{"step": label, "outcome": outcome} for label, outcome in trail]
    facts = {
        "id": f"{name} {step}",
        "source": "portal-pep",
        "type": f"kz.egov.{name}.v1",
        "subject": CASE,
        "step": step,
    }
    envelope = {**facts, **PLACE}
    body = json.dumps({**envelope, "data": {**data, "trail": told}}).encode()
    return Exchange(MEMBER, {"medium": "bus", "envelope": envelope, "request": side(body), "notes": list(notes)})


def called(method: str, path: str, body: Any, answer: Any = None, status: int = 200) -> Exchange:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    facts = {"medium": "http", "direction": "in", "method": method, "path": path, "status": status, "notes": []}
    return Exchange(MEMBER, {**facts, "request": side(content), "response": side(json.dumps(answer).encode())})


def submitted(form: dict[str, Any]) -> Exchange:
    document = base64.b64encode(json.dumps({"form": form}).encode()).decode()
    return said("case.submitted", "P5", DONE_BY_CITIZEN, document=document)


REFUSED = said("case.refused", "P7", [("C3", "violation")], reasons=[REASON])


def read(text: str, tmp_path: Path) -> Scenario:
    file = tmp_path / "case.yaml"
    file.write_text(text, encoding="utf-8")
    [found] = load_all(file)
    return found


def test_people_bring_what_they_brought_and_the_act_says_the_rest(tmp_path: Path) -> None:
    made = Paper("copy.pdf", "Көшірме")
    log = [
        called("PUT", f"/v1/cases/{CASE}/form", {"values": {"family_size": 9}}, status=422),
        called("PUT", f"/v1/cases/{CASE}/form", {"values": {"family_size": 3}}),
        called("PUT", f"/v1/cases/{CASE}/attachments/copy.pdf", made.content()),
        called("PUT", f"/v1/cases/{CASE}/attachments/other.pdf", b"%PDF-1.4"),
        submitted({"family_size": 3}),
        REFUSED,
    ]
    found = read(scenario_of_case(CASE, log), tmp_path)
    [story] = [one for one in load_all() if one.name == "housing-queue-portal-refused"]
    assert found.form == {"family_size": 3}
    assert [paper.name for paper in found.attachments] == ["copy.pdf", "other.pdf"]
    assert found.attachments[0].text == "Көшірме"
    assert found.reasons == (REASON,)
    assert [(one.step, one.code) for one in found.then.refusals] == [("P7", "documents.incomplete")]
    assert [act.step for act in found.when] == [act.step for act in story.when]
    assert [line.key for line in found.then.lines] == [line.key for line in story.then.lines]


def test_the_signed_application_tells_the_form_where_no_call_does(tmp_path: Path) -> None:
    assert read(scenario_of_case(CASE, [submitted({"family_size": 5}), REFUSED]), tmp_path).form == {"family_size": 5}


def test_a_refused_certificate_is_refused_again_for_the_same_reason(tmp_path: Path) -> None:
    outcome = {"step": "P4", "code": "certificate.of_another_person"}
    trail = (*DONE_BY_CITIZEN[:3], ("C2", "violation"))
    found = read(scenario_of_case(CASE, [said("steps.reported", "P4", trail, outcome=outcome)]), tmp_path)
    assert found.given.certificates == {"citizen": "of_another_person"}
    assert [one.code for one in found.then.refusals] == ["certificate.of_another_person"]


def test_a_fault_that_befell_the_case_is_named_and_not_played() -> None:
    noted = said("case.registered", "P6", notes=["delayed on purpose"])
    text = scenario_of_case(CASE, [submitted({}), noted, REFUSED])
    assert text.splitlines()[1] == "# Not in it: delayed on purpose"


def test_a_case_taken_in_by_hand_is_told_by_its_desk(tmp_path: Path) -> None:
    paper = {"name": "Өтініш", "kind": "original", "note": None}
    body = {"regulation": "zhambyl-social-assistance-certificate", "channel": "akim", "iin": "991231655703"}
    log = [
        called("POST", "/v1/intakes", {**body, "papers": [paper]}, {"case": CASE}),
        called("POST", f"/v1/cases/{CASE}/give-out", {"way": "by_hand"}),
    ]
    found = read(scenario_of_case(CASE, log), tmp_path)
    assert found.given.consumer.iin == body["iin"]
    assert found.when[0].papers == ({"name": "Өтініш", "kind": "original"},)
    with pytest.raises(NoScenario, match="has not been given out"):
        scenario_of_case(CASE, log[:1])


@pytest.mark.parametrize(
    ("log", "why"),
    [
        ([], "has nothing of a case"),
        ([submitted({})], "C3 is not told"),
        ([submitted({}), said("case.status", "P6", [("C3", "violation")])], "P7 has not been"),
        (
            [
                called(
                    "PUT",
                    f"/v1/cases/{CASE}/consumer",
                    {"iin": "991231600230", "representative": {"attorney": {"registry_number": "7-7"}}},
                ),
                submitted({}),
                REFUSED,
            ],
            "the deed 7-7 is none of",
        ),
    ],
    ids=["unknown", "under way", "not yet refused", "a deed of nobody"],
)
def test_what_is_no_whole_case_says_what_is_missing(log: list[Exchange], why: str) -> None:
    with pytest.raises(NoScenario, match=why):
        scenario_of_case(CASE, log)


def test_a_case_of_an_unknown_act_is_no_scenario(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PLACE, "regulation", "moon-housing-queue")
    with pytest.raises(NoScenario, match="no moon-housing-queue"):
        scenario_of_case(CASE, [said("case.submitted", "P5")])
