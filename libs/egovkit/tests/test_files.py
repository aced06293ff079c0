"""What may be attached: a file is what its bytes say, its name leads nowhere, and there is an end to them."""

from __future__ import annotations

import hashlib
import json

import pytest

from egovkit import files
from egovkit.contracts import contracts_dir
from egovkit.errors import EgovError
from egovkit.files import Attachment, describe, require_room

pytestmark = pytest.mark.unit

PDF = b"%PDF-1.7"


def scan(name: str, size: int = 1) -> Attachment:
    return Attachment(name, "application/pdf", size, "0" * 64)


@pytest.mark.parametrize(
    "name",
    ["", " a", "a ", ".a", "..", "a/b.pdf", "a\\b", "a\nb", "a?b", "a\u202eb", 'a"b', "a" * 256],
)
def test_a_name_that_could_lead_somewhere_is_refused(name: str) -> None:
    with pytest.raises(EgovError) as refused:
        describe(name, "application/pdf", PDF)
    assert refused.value.code == "attachment.name_invalid"


@pytest.mark.parametrize("name", ["паспорт.pdf", "Әкесінің куәлігі (көшірме).pdf", "договор №5.png", "a" * 255])
def test_an_ordinary_name_is_taken_as_it_is(name: str) -> None:
    assert describe(name, "application/pdf", PDF).name == name


@pytest.mark.parametrize(
    ("type_", "content"),
    [
        ("application/pdf", PDF),
        ("image/png", b"\x89PNG\r\n\x1a\n123"),
        ("image/jpeg", b"\xff\xd8\xff\xe0abc"),
        ("application/pdf", b"%PDF-" + bytes(files.MAX_FILE - 5)),
    ],
)
def test_a_file_is_described_by_its_bytes(type_: str, content: bytes) -> None:
    found = describe("a", type_, content)
    assert found == Attachment("a", type_, len(content), hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize(
    ("type_", "content", "code"),
    [
        ("text/html", b"<html>", "attachment.type_not_allowed"),
        ("", PDF, "attachment.type_not_allowed"),
        ("application/x-msdownload", b"MZ", "attachment.type_not_allowed"),
        ("application/pdf", b"MZ\x90 not a pdf", "attachment.not_what_it_says"),
        ("image/png", PDF, "attachment.not_what_it_says"),
        ("application/pdf", b"", "attachment.too_large"),
        ("application/pdf", b"%PDF-" + bytes(files.MAX_FILE), "attachment.too_large"),
    ],
)
def test_a_file_that_is_not_what_it_says_is_refused(type_: str, content: bytes, code: str) -> None:
    with pytest.raises(EgovError) as refused:
        describe("a", type_, content)
    assert refused.value.code == code and refused.value.params["size"] == len(content)


def test_fifty_files_and_not_one_more() -> None:
    full = [scan(str(n)) for n in range(files.MAX_FILES)]
    require_room(full, scan("3"))  # replaces the one of its name
    with pytest.raises(EgovError) as refused:
        require_room(full, scan("one more"))
    assert (refused.value.code, refused.value.params["limit"]) == ("attachment.too_many", 50)


def test_fifty_megabytes_and_not_a_byte_more() -> None:
    heavy = [scan("a", files.MAX_CASE - 1)]
    require_room(heavy, scan("b", 1))
    with pytest.raises(EgovError) as refused:
        require_room(heavy, scan("b", 2))
    assert (refused.value.code, refused.value.params["limit"]) == ("attachment.case_full", files.MAX_CASE)


def test_the_limits_are_those_of_the_contract() -> None:
    schema = json.loads((contracts_dir() / "messages" / "case.submitted.schema.json").read_text())
    attachment = schema["$defs"]["attachment"]["properties"]
    assert attachment["size"]["maximum"] == files.MAX_FILE and attachment["name"]["maxLength"] == files.MAX_NAME
    assert set(attachment["type"]["enum"]) == set(files.MAGIC)
    assert schema["properties"]["attachments"]["maxItems"] == files.MAX_FILES
