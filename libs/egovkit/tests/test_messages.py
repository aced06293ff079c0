from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from egovkit.contracts import contracts_dir, read_once
from egovkit.errors import EgovError
from egovkit.messages import CLASSES, MessageRegister, RegisterInvalid

STATUS = "kz.egov.case.status.v1"
GOOD: dict[str, Any] = {
    "number": "00000000001",
    "status": "registered",
    "text_ru": "Зарегистрировано",
    "text_kk": "Тіркелді: ә ғ қ ң ө ұ ү һ і",
    "version": 3,
    "at": "2026-01-15T04:00:00.123Z",
}


@pytest.fixture
def register() -> MessageRegister:
    return read_once(MessageRegister.load, contracts_dir())


def refused(register: MessageRegister, data: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(EgovError) as error:
        register.check(STATUS, data)
    assert error.value.code == "data.invalid"
    return sorted((one.field, one.code) for one in error.value.errors)


def write(folder: Path, messages: list[dict[str, Any]]) -> Path:
    (folder / "messages").mkdir(exist_ok=True)
    (folder / "messages" / "a.b.schema.json").write_text(json.dumps({"$id": "urn:a.b", "type": "object"}))
    document = {"prefix": "kz.test.", "version": "v1", "messages": messages}
    (folder / "messages.yaml").write_text(json.dumps(document))
    return folder


def test_every_type_of_the_contracts_loads_with_its_schema(register: MessageRegister) -> None:
    specs = list(register)
    assert len(specs) >= 12
    assert {spec.cls for spec in specs} <= set(CLASSES)
    assert all(spec.dataschema == f"urn:egov:schema:{spec.name}.v1" for spec in specs)
    assert register.spec("kz.egov.case.submitted.v1").cls == "submission"
    assert register.spec(STATUS).from_kinds == ("provider",)


def test_good_data_pass(register: MessageRegister) -> None:
    assert register.check(STATUS, GOOD).name == "case.status"
    assert register.check(STATUS, {**GOOD, "number": None}).name == "case.status"


def test_every_wrong_field_is_named_at_once(register: MessageRegister) -> None:
    data = {**GOOD, "version": "3", "at": "yesterday", "extra": 1, "more": 2}
    del data["text_kk"]
    assert refused(register, data) == [
        ("at", "wrong_form"),
        ("extra", "unknown"),
        ("more", "unknown"),
        ("text_kk", "missing"),
        ("version", "wrong_type"),
    ]


def test_a_field_deep_inside_is_named_by_its_path(register: MessageRegister) -> None:
    with pytest.raises(EgovError) as error:
        register.check("kz.egov.steps.reported.v1", {"trail": [{"step": "P1"}], "outcome": {"step": "P4"}})
    fields = {one.field for one in error.value.errors}
    assert {"trail.0.outcome", "trail.0.hash", "outcome.code"} <= fields


def test_values_are_never_quoted(register: MessageRegister) -> None:
    secret = "990101999999 Сынақов"
    with pytest.raises(EgovError) as error:
        register.check(STATUS, {**GOOD, "status": secret, "version": secret, "at": secret})
    assert secret not in str(error.value) + "".join(one.message for one in error.value.errors)


def test_endless_mistakes_are_cut(register: MessageRegister) -> None:
    data = {**GOOD, **{f"field{number}": 1 for number in range(1000)}}
    assert len(refused(register, data)) == 20


def test_a_length_limit_is_told(tmp_path: Path) -> None:
    folder = write(tmp_path, [{"name": "a.b", "class": "fact", "from": [], "to": []}])
    schema = {"$id": "urn:a.b", "properties": {"x": {"maxLength": 2}}}
    (folder / "messages" / "a.b.schema.json").write_text(json.dumps(schema))
    with pytest.raises(EgovError) as error:
        MessageRegister.load(folder).check("kz.test.a.b.v1", {"x": "қазақ"})
    assert [(one.code, dict(one.params)) for one in error.value.errors] == [("too_long", {"limit": 2})]


def test_an_unknown_type_is_refused(register: MessageRegister) -> None:
    with pytest.raises(EgovError) as error:
        register.check("kz.egov.case.invented.v1", {})
    assert (error.value.code, error.value.params) == ("message.type_unknown", {"type": "kz.egov.case.invented.v1"})
    assert register.get("x") is None
    assert "x" not in register
    assert STATUS in register


def test_every_mistake_of_the_register_is_reported_at_once(tmp_path: Path) -> None:
    good = {"name": "a.b", "class": "fact", "from": ["portal"], "to": ["provider"]}
    folder = write(
        tmp_path,
        [
            good,
            good,
            {**good, "class": "rumour"},
            {**good, "sender": "x"},
            {**good, "name": "no.schema"},
            {"name": "a.b"},
        ],
    )
    with pytest.raises(RegisterInvalid) as invalid:
        MessageRegister.load(folder)
    text = str(invalid.value)
    assert len(invalid.value.mistakes) == 5
    for words in ("twice", "rumour", "sender", "no.schema", "class"):
        assert words in text


def test_a_type_may_have_a_version_of_its_own(tmp_path: Path) -> None:
    entry = {"name": "a.b", "class": "fact", "from": [], "to": [], "version": "v2"}
    assert [spec.type for spec in MessageRegister.load(write(tmp_path, [entry]))] == ["kz.test.a.b.v2"]


def test_a_message_is_about_a_case_unless_it_says_that_it_is_a_persons(
    register: MessageRegister, tmp_path: Path
) -> None:
    about = {spec.name for spec in register if spec.about == "person"}
    assert about == {"query.reads", "answer.reads"}
    wrong = {"name": "a.b", "class": "fact", "from": [], "to": [], "about": "weather"}
    with pytest.raises(RegisterInvalid, match="'weather' is not one of case, person"):
        MessageRegister.load(write(tmp_path, [wrong]))
