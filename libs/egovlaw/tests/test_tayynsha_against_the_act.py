"""The regulation of Tayynsha against a table read by hand from act 516, as far as its scan can be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from egovlaw.catalogue import Branch, Catalogue, Regulation
from egovlaw.documents import read_document
from egovlaw.flow import CaseProgress, allowed_messages, states
from egovlaw.loader import CatalogueInvalid, load_catalogue

CODE = "tayynsha-social-assistance"

PROVIDER = """
pre1 visit continue P1
P1 authenticate continue C1
C1 verify_login continue P3/P2
P2 refuse_login refusal -
P3 choose_and_fill continue P4
P4 sign continue C2
C2 check_certificate continue P6/P5
P5 refuse_signature refusal -
P6 process continue P7
P7 decide continue P8
P8 hand_over result -
"""
PORTAL = """
pre1 register_account continue P1
P1 authenticate continue C1
C1 verify_login continue P3/P2
P2 refuse_login refusal -
P3 choose_and_fill continue P4
P4 sign continue C2
C2 check_certificate continue P6/P5
P5 refuse_signature refusal -
P6 send_and_process continue P7
P7 issue_result result -
"""
FLOWS = {"provider": ("6", PROVIDER), "portal": ("7", PORTAL)}
# seconds or days of each row, and the row it leads to as read
ROWS = {
    "provider": "900>2 60>3 60>4 7d>5 60>6 ->8 60>9 60>7 ->-",
    "portal": "60>2 60>3 60>4 900>5 7d>6 60>7 60>8 60>9 60>10 60>11 60>12 60>-",
}
CHANNELS = list(FLOWS)


@pytest.fixture(scope="module")
def assistance(catalogue: Catalogue) -> Regulation:
    return catalogue.by_code[CODE]


@pytest.fixture(scope="module")
def raw(contracts: Path) -> dict[str, Any]:
    folder = contracts / "regulations"
    found: dict[str, Any] = read_document(folder / "tayynsha" / "social-assistance.yaml", folder).value
    return found


@pytest.mark.parametrize("channel", CHANNELS)
def test_every_item_stands_where_the_act_puts_it(assistance: Regulation, channel: str) -> None:
    clause, table = FLOWS[channel]
    lines = []
    for item in assistance.channels[channel].flow:
        onward = f"{item.next.ok}/{item.next.violation}" if isinstance(item.next, Branch) else (item.next or "-")
        lines.append(f"{item.label} {item.kind.name} {item.outcome} {onward}")
    assert lines == table.strip().splitlines()
    assert [item.clause for item in assistance.channels[channel].flow] == [
        f"{clause} {n})" for n in range(1, len(lines) + 1)
    ]


def test_the_act_prints_eleven_and_nine_items_and_one_is_restored(assistance: Regulation) -> None:
    """A18."""
    flows = {code: channel.flow for code, channel in assistance.channels.items()}
    assert {code: sum(not item.restored for item in flow) for code, flow in flows.items()} == {
        "provider": 11, "portal": 9,
    }  # fmt: skip
    (restored,) = [item for flow in flows.values() for item in flow if item.restored]
    assert (restored.label, restored.clause) == ("P5", "7 8)") and "A18" in restored.decisions
    at_the_desk = assistance.channels["provider"].by_label["P5"].text_ru
    assert restored.text_ru == at_the_desk.replace("сотрудника МИО", "потребителя")


@pytest.mark.parametrize("channel", CHANNELS)
def test_the_rows_have_their_time_and_their_next(assistance: Regulation, channel: str) -> None:
    table = assistance.channels[channel].table
    found = []
    for row in table:
        limit = row.limit
        time = "-" if limit is None else f"{limit.max_s}" if limit.max_s else f"{limit.working_days}d"
        found.append(f"{time}>{row.on_ok or '-'}")
        assert row.on_violation is None, "the tables have no branch of a violation"
    assert found == ROWS[channel].split()


def test_what_is_signed_is_issued_afterwards(assistance: Regulation) -> None:
    """A19: the table prints 7, 8, 9; the document goes 8, 7, 9."""
    rows = {row.n: row for row in assistance.channels["provider"].table}
    assert [rows[n].next_ru for n in (6, 7, 8)] == ["7", "8", "9"]
    assert [rows[n].on_ok for n in (6, 8, 7)] == [8, 7, 9]
    assert all("A19" in rows[n].decisions for n in (6, 7, 8))


def test_the_akim_has_twenty_two_working_days(assistance: Regulation) -> None:
    """A17: a receiving point with a term of its own, and no channel."""
    row = assistance.channels["portal"].table[4]
    assert row.limit is not None and row.limit.working_days == 7
    assert row.limit_by_branch["akim"].working_days == 22
    terms = {term.channel: term.limit.working_days for term in assistance.terms}
    assert terms == {"provider": 7, "portal": 7, "akim": 22}
    assert "akim" not in assistance.channels
    assert assistance.service_term == {"working_days": 7}


@pytest.mark.parametrize(
    ("channel", "rows"), [("provider", [1, 2, 3, 5, 7, 8]), ("portal", [1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12])]
)  # fmt: skip
def test_rows_of_seconds_are_limits_and_rows_of_days_are_terms(
    assistance: Regulation, channel: str, rows: list[int]
) -> None:
    """Rows 7, 8, 11 and 12 of the portal are the way of one message: they begin with its sending."""
    limits = assistance.channels[channel].limits
    assert sorted(limit.table_row or 0 for limit in limits) == rows
    assert {limit.max_s for limit in limits} == {60, 900}


def test_what_the_scan_lost_is_marked(raw: dict[str, Any]) -> None:
    desk, portal = raw["channels"]
    assert {row["n"]: row["lost"] for row in desk["table"] if "lost" in row} == {3: ["completion_ru"], 9: ["actor_ru"]}
    assert {row["n"] for row in portal["table"] if "action_ru" in row.get("lost", [])} == {6, 12}
    torn = [row for channel in (desk, portal) for row in channel["table"] if "[" in str(row["action_ru"])]
    assert torn and all("action_ru" in row["uncertain"] for row in torn)
    assert all(row["limit_ru"] for channel in (desk, portal) for row in channel["table"])


def test_the_forms_are_five_and_say_what_is_lost(assistance: Regulation, raw: dict[str, Any]) -> None:
    kinds = [form.kind for form in assistance.forms]
    assert kinds == ["application", "positive", "notification", "negative", "survey"]
    application, notice, notification, refusal, _ = assistance.forms
    assert (application.text_ru, application.fields) == (None, ())
    assert [form.get("lost") for form in raw["forms"][:2]] == [
        ["image of the form", "number of the annex"], ["half of the image"],
    ]  # fmt: skip
    assert {field.name for field in notice.fields} >= {"applicant", "family_number", "period_from", "period_to"}
    assert notification.sent_on == ("status_change", "extension")
    assert refusal.free_form and "A23" in refusal.decisions
    assert raw["forms"][1]["text_kk"]["status"] == "restored"


def test_signing_comes_before_the_check_in_both_channels(assistance: Regulation) -> None:
    """A1."""
    assert assistance.settings["sign_order"].value == "sign_before_check"
    for channel in assistance.channels.values():
        assert channel.by_label["P4"].next == "C2"


def test_the_number_travels_beside_the_flow_that_has_no_registration(assistance: Regulation) -> None:
    portal = assistance.channels["portal"]
    assert {m.type for m in allowed_messages(portal, CaseProgress("P6"))} >= {"case.registered", "case.completed"}
    for channel in assistance.channels.values():
        assert all(here.ended or allowed_messages(channel, here) for here in states(channel))


def test_sixteen_words_are_defined_and_the_persons_are_left_out(assistance: Regulation) -> None:
    assert sum(rule.kind == "definition" for rule in assistance.rules) == 16
    assert {str(n) for n in range(1, 18)} <= {rule.clause for rule in assistance.rules}
    assert [rule.clause for rule in assistance.rules if rule.omitted] == [
        "Постановление, 2", "Постановление, подписи",
    ]  # fmt: skip


def test_a_restored_item_is_not_counted_as_the_acts(copy: Path) -> None:
    path = copy / "tayynsha" / "social-assistance.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("        restored: true\n", ""), encoding="utf-8")
    with pytest.raises(CatalogueInvalid) as caught:
        load_catalogue(copy)
    (error,) = caught.value.errors
    assert error.message == "flow has 10 entries, the act was counted to have 9"


def test_a_limit_may_run_between_messages_beside_the_flow_but_not_between_unknown_ones(
    copy: Path, raw: dict[str, Any]
) -> None:
    path = copy / "tayynsha" / "social-assistance.yaml"
    spoiled: dict[str, Any] = json.loads(json.dumps(raw))
    spoiled["channels"][0]["side_messages"] = []
    path.write_text(json.dumps(spoiled, ensure_ascii=False), encoding="utf-8")
    with pytest.raises(CatalogueInvalid) as caught:
        load_catalogue(copy)
    assert {error.message for error in caught.value.errors} == {
        "limit P6 starts_on: message query.register is sent by no step of the channel",
        "limit P6 stops_on: message answer.register is sent by no step of the channel",
    }
