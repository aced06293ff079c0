"""Contracts, code and documentation name the same things: whoever renames one hears of the others here."""

from __future__ import annotations

import ast
import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
CONTRACTS = ROOT / "contracts"
LANGUAGES = ("en", "ru", "kk")
SIDES = {"sender", "receiver", "gateway", "platform"}
# An error's code stands in the code as the first argument of one of these.
RAISERS = re.compile(r"(Error|Refused|Problem|problem|refuse|refusal)$")
CODE = re.compile(r"[a-z][a-z_]*\.[a-z][a-z_0-9]*")


def contract(name: str) -> Any:
    return yaml.safe_load((CONTRACTS / name).read_text())


def sources() -> list[Path]:
    patterns = ("libs/*/src", "services/*/src", "*/src")
    return sorted({p for pattern in patterns for src in ROOT.glob(pattern) for p in src.rglob("*.py")})


def codes_in(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        first = node.args[0]
        literal = isinstance(first, ast.Constant) and isinstance(first.value, str)
        if name != "FieldError" and RAISERS.search(name) and literal and CODE.fullmatch(first.value):  # type: ignore[attr-defined]
            found.add(first.value)  # type: ignore[attr-defined]
    return found


def test_every_code_that_is_raised_is_a_known_problem() -> None:
    known = set(contract("errors.yaml"))
    unknown = {
        f"{path.relative_to(ROOT)}: {code}"
        for path in sources()
        for code in codes_in(ast.parse(path.read_text())) - known
    }
    assert unknown == set()


def test_every_problem_says_side_and_remedy_in_three_languages() -> None:
    lacking = []
    for code, problem in contract("errors.yaml").items():
        if not CODE.fullmatch(code) or problem.get("side") not in SIDES or not 400 <= problem["status"] <= 599:
            lacking.append(code)
        for language in LANGUAGES:
            texts = problem.get(language, {})
            lacking += [f"{code}.{language}.{key}" for key in ("title", "detail", "remedy") if not texts.get(key)]
    assert lacking == []


def test_the_three_languages_of_a_problem_use_the_same_parameters() -> None:
    def parameters(text: str) -> set[str]:
        return set(re.findall(r"\{(\w+)\}", text))

    for code, problem in contract("errors.yaml").items():
        used = {language: parameters(problem[language]["detail"]) for language in LANGUAGES}
        assert used["ru"] == used["kk"] == used["en"], (code, used)


def test_no_problem_is_declared_twice() -> None:
    keys = re.findall(r"^([a-z][\w.]*):", (CONTRACTS / "errors.yaml").read_text(), re.MULTILINE)
    assert sorted(keys) == sorted(set(keys))


def test_every_message_has_a_schema_and_every_schema_a_message() -> None:
    named = {message["name"] for message in contract("messages.yaml")["messages"]}
    found = {path.name.removesuffix(".schema.json") for path in (CONTRACTS / "messages").glob("*.schema.json")}
    assert found == named
    for path in (CONTRACTS / "messages").glob("*.schema.json"):
        assert json.loads(path.read_text())["$schema"].startswith("https://json-schema.org/")


def test_queues_belong_to_participants_and_only_participants_write_them() -> None:
    codes = {participant["code"] for participant in contract("participants.yaml")["participants"]}
    assert contract("topology.yaml")["dead_letters_owner"] in codes
    for queue in contract("topology.yaml")["queues"]:
        assert {queue["owner"], *queue["writers"]} <= codes, queue["name"]
        assert queue["owner"] not in queue["writers"], queue["name"]


def test_every_participant_of_the_broker_that_is_no_gateway_has_its_inbox() -> None:
    queues = {queue["name"]: queue for queue in contract("topology.yaml")["queues"]}
    for participant in contract("participants.yaml")["participants"]:
        if participant["delivery"] == "amqp" and "gateway" not in participant["kind"]:
            assert queues[f"inbox.{participant['code']}"]["owner"] == participant["code"]


def test_every_region_of_the_regional_gateway_has_its_ingress() -> None:
    queues = {queue["name"] for queue in contract("topology.yaml")["queues"]}
    assert {f"rshep.{region}.ingress" for region in contract("regions.yaml")["regions"]} <= queues


@pytest.mark.parametrize("service", ["portal_pep", "provider_arm", "gbd_fl_mock", "enis_mock"])
def test_every_handled_message_is_in_the_register(service: str) -> None:
    register = contract("messages.yaml")
    known = {f"{register['prefix']}{m['name']}.{register['version']}" for m in register["messages"]}
    handled = set(importlib.import_module(f"{service}.handlers").HANDLERS)
    assert handled and handled <= known


def documents() -> list[Path]:
    hidden = {".venv", ".git", ".egov", "node_modules"}
    return sorted(path for path in ROOT.rglob("*.md") if not hidden & set(path.relative_to(ROOT).parts))


def test_every_relative_link_of_the_documentation_leads_somewhere() -> None:
    broken = []
    for document in documents():
        for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
            if re.match(r"[a-z]+:|#", target):
                continue
            if not (document.parent / target.split("#")[0]).exists():
                broken.append(f"{document.relative_to(ROOT)}: {target}")
    assert broken == []


def test_every_symbol_named_by_the_documentation_exists() -> None:
    missing = []
    for document in documents():
        for file, symbol in re.findall(r"([\w./-]+\.py)::(\w+(?:\.\w+)?)", document.read_text()):
            if (file, symbol) == ("path.py", "symbol"):
                continue  # the notation itself, where it is explained
            if not any(defines(path, symbol) for path in meant(file, document)):
                missing.append(f"{document.relative_to(ROOT)}: {file}::{symbol}")
    assert missing == []


def meant(file: str, document: Path) -> list[Path]:
    """The files a name in a document may mean: from the root, from its own folder, or by the end of their path."""
    named = [path for path in (ROOT / file, document.parent / file) if path.exists()]
    return named or [path for path in sources() if path.as_posix().endswith(f"/{file}")]


def defines(path: Path, symbol: str) -> bool:
    """Whether a module has `name` or `Class.name` (function, class or module-level assignment)."""
    body: list[ast.stmt] = ast.parse(path.read_text()).body
    for part in symbol.split("."):
        found = next((node for node in body if part in names_of(node)), None)
        if found is None:
            return False
        body = getattr(found, "body", [])
    return True


def names_of(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Assign):
        return {target.id for target in node.targets if isinstance(target, ast.Name)}
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return {node.target.id}
    return set()


def test_nothing_names_the_workplace_it_was_written_at() -> None:
    names = (
        "/wo" + "rk/",
        "../sha" + "red",
        "py" + "pi/simple",
        "find-" + "links=",
    )  # split: this file is read too
    suspects = [
        *sources(),
        *documents(),
        *CONTRACTS.rglob("*.yaml"),
        *(ROOT / "tests").rglob("*.py"),
        *(ROOT / "tools").iterdir(),
        ROOT / "Makefile",
        ROOT / ".ci/run",
        ROOT / "pyproject.toml",
    ]
    found = [str(p) for p in suspects if p.is_file() for name in names if name in p.read_text()]
    assert found == []


def test_every_attribute_of_an_envelope_has_its_place_in_a_message_of_the_real_shep() -> None:
    from egovkit.envelope import Envelope

    rows = re.findall(r"^\| `([a-z]+)` \| (.+) \| (.+) \| (.+) \|$", (CONTRACTS / "shep-mapping.md").read_text(), re.M)
    mapped = {name for name, *_ in rows}
    assert mapped == {"specversion", "datacontenttype", *Envelope.__dataclass_fields__}
    keys = {key for _, *places in rows for place in places for key in re.findall(r"property `([^`]+)`", place)}
    assert keys and all(len(key) <= 30 for key in keys)
