"""The pure rules of every origin."""

from __future__ import annotations

import json

import pytest

from egovkit.contracts import contracts_dir
from egovorigin.domain import files
from egovorigin.domain.files import Attachment

# --- files ---


@pytest.mark.parametrize("name", ["", " a", "a ", ".a", "a/b", "a\\b", "a\nb", "a\u202eb", 'a"b', "a" * 256, ".."])
def test_a_name_that_could_lead_somewhere_is_refused(name: str) -> None:
    assert files.name_problem(name)


@pytest.mark.parametrize("name", ["паспорт.pdf", "Жеку куәлігі (1).jpg", "a" * 255, "договор №5.png"])
def test_an_ordinary_name_is_taken(name: str) -> None:
    assert not files.name_problem(name)


def test_fifty_files_and_not_one_more() -> None:
    others = [Attachment(f"{n}.pdf", "application/pdf", 1, "0" * 64) for n in range(50)]
    assert files.case_problem(others, Attachment("new.pdf", "application/pdf", 1, "0" * 64)) == "attachment.too_many"
    assert files.case_problem(others, Attachment("0.pdf", "application/pdf", 1, "0" * 64)) is None


def test_the_limits_are_those_of_the_contract() -> None:
    schema = json.loads((contracts_dir() / "messages" / "case.submitted.schema.json").read_text())
    attachment = schema["$defs"]["attachment"]["properties"]
    assert attachment["size"]["maximum"] == files.MAX_FILE and attachment["name"]["maxLength"] == files.MAX_NAME
    assert set(attachment["type"]["enum"]) == set(files.MAGIC)
    assert schema["properties"]["attachments"]["maxItems"] == files.MAX_FILES
