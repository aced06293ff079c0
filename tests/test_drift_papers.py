"""The documents for partners are what code and contracts say today, and whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.composition import SERVICES
from sandbox.contract_papers import committed, documents, openapi

ROOT = Path(__file__).resolve().parent.parent
AGAIN = "run make contracts"


@pytest.fixture(scope="module")
def made() -> dict[str, dict[str, Any]]:
    return openapi()


def calls(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, call in methods.items():
            yield f"{method.upper()} {path}", call


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for value in part.values():
            yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def test_the_committed_documents_are_those_the_code_makes() -> None:
    there = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in committed(ROOT)}
    now = documents()
    assert set(there) == set(now), AGAIN
    assert [name for name, text in now.items() if there[name] != text] == [], AGAIN


def test_every_service_has_a_document_of_openapi_3_1_and_none_shows_the_sandboxs_clock(
    made: dict[str, dict[str, Any]],
) -> None:
    assert set(made) == {service.code for service in SERVICES}
    for document in made.values():
        assert document["openapi"].startswith("3.1.") and document["info"]["title"]
        assert [path for path in document["paths"] if "/sandbox/" in path] == []


def test_every_call_has_a_stable_name_of_its_own_and_says_how_it_refuses(made: dict[str, dict[str, Any]]) -> None:
    for code, document in made.items():
        names = Counter(call["operationId"] for _, call in calls(document))
        assert [name for name, count in names.items() if count > 1] == [], code
        assert [name for name in names if not name.isidentifier() or "_v1_" in name] == [], code
        for what, call in calls(document):
            problems = {status for status, answer in call["responses"].items()
                        if "application/problem+json" in answer.get("content", {})}  # fmt: skip
            assert {"4XX", "5XX"} <= problems, f"{code} {what}"


def test_every_reference_leads_somewhere(made: dict[str, dict[str, Any]]) -> None:
    for code, document in made.items():
        for reference in set(references(document)):
            found: Any = document
            for part in reference.removeprefix("#/").split("/"):
                assert part in found, f"{code} {reference}"
                found = found[part]
