"""The export is the published form, exactly: its keys, its order, plain JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from egovlaw.catalogue import Catalogue
from egovlaw.export import export_catalogue

REGULATION = (
    "code source title_ru title_kk act region provider_ru form_ru participants channels internal_procedure "
    "forms rules decisions"
)
ITEM = "n label type clause text_ru systems outcome limit next"
ROW = "n actor_ru action_ru completion_ru limit_ru limit next lost"


@pytest.fixture(scope="module")
def exported(catalogue: Catalogue) -> dict[str, Any]:
    published: list[dict[str, Any]] = json.loads(json.dumps(export_catalogue(catalogue)))
    return next(one for one in published if one["code"] == "atyrau-housing-queue")


def test_a_regulation_has_the_published_keys(exported: dict[str, Any]) -> None:
    assert list(exported) == REGULATION.split()
    assert exported["code"] == "atyrau-housing-queue"
    assert exported["source"] == "003_ca57c4e912ccc840.txt"
    assert exported["region"] == "atyrau"
    assert exported["title_ru"].startswith("Постановка на учет и очередность граждан")
    assert "мұқтаж азаматтарды есепке қою" in exported["title_kk"]


def test_the_act_has_number_date_registration_and_repeal(exported: dict[str, Any]) -> None:
    assert exported["act"] == {
        "number": "427",
        "date": "2012-12-28",
        "body": "акимат Атырауской области",
        "registered": None,
        "repealed": {"no": "238", "date": "2013-06-21"},
    }


def test_channels_items_and_rows_have_the_published_keys(exported: dict[str, Any]) -> None:
    assert [channel["channel"] for channel in exported["channels"]] == ["portal", "provider", "centre"]
    for channel, clause in zip(exported["channels"], "678", strict=True):
        assert list(channel) == ["channel", "clauses", "has_flow", "flow", "table"]
        assert (channel["clauses"], channel["has_flow"]) == ([clause], True)
        assert {tuple(item) for item in channel["flow"]} == {tuple(ITEM.split())}
        assert {tuple(row) for row in channel["table"]} == {tuple(ROW.split())}


def test_items_lead_to_labels_branches_or_nowhere(exported: dict[str, Any]) -> None:
    portal = {item["label"]: item for item in exported["channels"][0]["flow"]}
    assert portal["P1"]["next"] == "C1"
    assert portal["C2"]["next"] == {"ok": "P5", "violation": "P4"}
    assert portal["P8"]["next"] is None
    assert [portal[label]["outcome"] for label in ("P3", "P4", "P8")] == ["continue", "refusal", "result"]
    assert portal["pre1"]["type"] == "precondition"
    assert portal["P5"]["systems"] == ["ПЭП", "ШЭП", "АРМ РШЭП"]
    assert portal["P5"]["limit"] is None, "clause 6 gives no deadline; the table does"


def test_rows_carry_both_bounds_and_both_branches(exported: dict[str, Any]) -> None:
    rows = exported["channels"][0]["table"]
    assert rows[0]["limit"] == {"min_s": 30, "max_s": 60}
    assert rows[1]["limit"] == {"min_s": None, "max_s": 30}
    assert rows[5]["next"] == {"on_ok": 8, "on_violation": 7}
    assert rows[7]["next"] == {"on_ok": None, "on_violation": None}
    assert rows[7]["limit_ru"] == "15 минут"


def test_forms_rules_and_decisions(exported: dict[str, Any]) -> None:
    (survey,) = exported["forms"]
    assert list(survey) == ["kind", "name_ru", "fields", "text_ru", "validity"]
    assert (survey["kind"], survey["validity"], len(survey["fields"])) == ("survey", None, 3)
    assert {tuple(rule) for rule in exported["rules"]} == {("clause", "kind", "text_ru")}
    assert {rule["kind"] for rule in exported["rules"]} == {"executable", "definition", "organisational"}
    assert exported["decisions"][:3] == ["A1", "A2", "A3"]
    assert exported["internal_procedure"] == []
