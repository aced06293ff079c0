"""The documents for partners are what code and contracts say today, and whole."""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from sandbox.composition import SERVICES
from sandbox.contract_papers import AGENT, committed, documents, openapi

ROOT = Path(__file__).resolve().parent.parent
AGAIN = "run make contracts"


@pytest.fixture(scope="module")
def made() -> dict[str, dict[str, Any]]:
    return openapi()


@pytest.fixture(scope="module")
def errors() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "contracts/errors.yaml").read_text(encoding="utf-8")))


def calls(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, call in methods.items():
            yield f"{method.upper()} {path}", call


def texts(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / f"contracts/openapi/texts/{name}.yaml").read_text(encoding="utf-8")))


def mentioned(folder: Path) -> set[str]:
    """Codes of problems in the text of a package, its declarations left out."""
    found: set[str] = set()
    for path in folder.rglob("*.py"):
        if "/tests/" not in str(path):
            undecorated = re.sub(r"@(refuses|guards)\([^()]*\)", "", path.read_text(encoding="utf-8"))
            found |= set(re.findall(r"[a-z_]+\.[a-z_0-9]+", undecorated))
    return found


def misfits(service: str, document: dict[str, Any]) -> list[str]:
    """Examples that their schema does not allow, each with service, call and field."""
    resource = Resource.from_contents(document, default_specification=DRAFT202012)
    registry: Registry[Any] = Registry().with_resource("urn:document", resource)
    found = []
    for _, call in calls(document):
        answers = {f"answer {status}": answer for status, answer in call["responses"].items() if status[0] == "2"}
        for where, part in {"request": call.get("requestBody", {}), **answers}.items():
            for media in part.get("content", {}).values():
                schema = at_document(media.get("schema", {}))
                for name, example in media.get("examples", {}).items():
                    validator = Draft202012Validator(schema, registry=registry)
                    place = f"{service} {call['operationId']} {where} example {name}"
                    wrong = validator.iter_errors(example["value"])
                    found += [f"{place}: {error.json_path}: {error.message[:200]}" for error in wrong]
    return found


def at_document(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {k: f"urn:document{v}" if k == "$ref" else at_document(v) for k, v in schema.items()}
    return [at_document(one) for one in schema] if isinstance(schema, list) else schema


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
    assert set(made) == {service.code for service in SERVICES} | {AGENT}
    for document in made.values():
        assert document["openapi"].startswith("3.1.") and document["info"]["title"]
        assert [path for path in document["paths"] if "/sandbox/" in path] == []


def test_every_call_has_a_stable_name_of_its_own_and_says_how_it_refuses(made: dict[str, dict[str, Any]]) -> None:
    for code, document in made.items():
        names = Counter(call["operationId"] for _, call in calls(document))
        assert [name for name, count in names.items() if count > 1] == [], code
        assert [name for name in names if not name.isidentifier() or "_v1_" in name] == [], code
        for what, call in calls(document):
            refusals = {status: answer for status, answer in call["responses"].items() if status[0] in "45"}
            assert "4XX" not in refusals and {"400", "500", "5XX"} <= set(refusals), f"{code} {what}"
            assert all("application/problem+json" in answer["content"] for answer in refusals.values()), (
                f"{code} {what}"
            )


def test_every_status_names_the_stable_codes_that_have_it_with_examples_in_three_languages(
    made: dict[str, dict[str, Any]], errors: dict[str, Any]
) -> None:
    for code, document in made.items():
        for what, call in calls(document):
            for status, answer in call["responses"].items():
                for problem in answer.get("x-problem-codes", ()):
                    assert errors[problem]["status"] == int(status), f"{code} {what} {problem}"
                    assert f"`{problem}`: " in answer["description"], f"{code} {what} {problem}"
                    shown = answer["content"]["application/problem+json"]["examples"]
                    assert {f"{problem}.{lang}" for lang in ("kk", "ru", "en")} <= set(shown), (
                        f"{code} {what} {problem}"
                    )


def test_every_declared_code_is_raised_by_the_service_or_a_kit_of_it(made: dict[str, dict[str, Any]]) -> None:
    """Whether the very call raises it is what `refuses` and the tests of the services settle between them; one that
    nobody raises any more is found here."""
    kits = mentioned(ROOT / "libs")
    for code, document in made.items():
        own = mentioned(next(ROOT.rglob(f"src/{code.replace('-', '_')}")))
        declared = {
            problem
            for _, call in calls(document)
            for answer in call["responses"].values()
            for problem in answer.get("x-problem-codes", ())
        }
        assert declared - own - kits == set(), f"{code} declares what it nowhere raises: take it out of @refuses"


def test_what_needs_a_proof_of_the_caller_says_which_and_the_rest_is_open(made: dict[str, dict[str, Any]]) -> None:
    open_calls = {
        "con-arm": {"POST /v1/sessions"},
        "gateway-shep": {"GET /v1/members", "GET /v1/certificates/{thumbprint}"},
        "nuc-mock": {
            *("GET /", "GET /ca/root.cer", "GET /ca/issuing.cer", "GET /ca/issuing-{generation}.cer"),
            *("GET /crl", "GET /crl/root", "GET /crl/delta", "GET /crl/{generation}", "GET /crl/{generation}/delta"),
            *("POST /ocsp", "GET /ocsp/{request_b64}", "POST /tsp"),
        },
        "portal-pep": {
            *("POST /v1/accounts", "POST /v1/sessions", "GET /v1/services", "GET /v1/services/{regulation}"),
            *("GET /v1/surveys/{regulation}", "POST /v1/verify/number", "POST /v1/verify/codes", "POST /v1/verify/pdf"),
        },
        "provider-arm": {"POST /v1/sessions"},
    }
    for code, document in made.items():
        schemes = set(document["components"]["securitySchemes"])
        assert {what for what, call in calls(document) if not call["security"]} == open_calls.get(code, set()), code
        assert {name for _, call in calls(document) for one in call["security"] for name in one} == schemes, code
        for scheme in document["components"]["securitySchemes"].values():
            assert {"description", "x-description-ru", "x-description-kk"} <= set(scheme), code


def test_every_call_tag_and_service_is_told_in_three_languages_and_no_text_is_left_over(
    made: dict[str, dict[str, Any]],
) -> None:
    lacking: list[str] = []
    told: dict[str, set[str]] = {"operations": set(), "tags": set()}
    for code, document in made.items():
        place = f"contracts/openapi/texts/{code}.yaml"
        if not {"description", "x-description-ru", "x-description-kk"} <= set(document["info"]):
            lacking.append(f"{place}: info: en, ru, kk")
        for what, call in calls(document):
            told["operations"].add(call["operationId"])
            if not {"x-summary-ru", "x-summary-kk"} <= set(call):
                lacking.append(f"{place}: operations: {call['operationId']}: en, ru, kk ({what})")
        for tag in document["tags"]:
            told["tags"].add(tag["name"])
            if not {"description", "x-description-ru", "x-description-kk"} <= set(tag):
                lacking.append(f"{place}: tags: {tag['name']}: en, ru, kk")
        here = {call["operationId"] for _, call in calls(document)}
        lacking += [
            f"{place}: {name} is no call any more" for name in texts(code).get("operations", {}) if name not in here
        ]
    for kind, known in told.items():
        lacking += [f"common.yaml: {name} is nowhere" for name in texts("common").get(kind, {}) if name not in known]
    assert lacking == []


def test_examples_of_problems_have_no_gaps(made: dict[str, dict[str, Any]], errors: dict[str, Any]) -> None:
    given = yaml.safe_load((ROOT / "contracts/openapi/parameters.yaml").read_text(encoding="utf-8"))
    shown = {name[:-3] for document in made.values() for name in document["components"]["examples"]}
    gaps = [
        f"contracts/openapi/parameters.yaml: values: {name} ({code})"
        for code in sorted(shown)
        for name in set(re.findall(r"\{(\w+)\}", " ".join(errors[code]["en"].values())))
        if name not in given["values"] | given["codes"].get(code, {})
    ]
    assert gaps == []


def test_an_example_fits_its_schema(made: dict[str, dict[str, Any]]) -> None:
    assert [mistake for code, document in made.items() for mistake in misfits(code, document)] == []


def test_an_example_that_no_longer_fits_is_named_with_its_call_and_field(made: dict[str, dict[str, Any]]) -> None:
    document = copy.deepcopy(made["gateway-shep"])
    document["components"]["schemas"]["Participant"]["properties"]["bin"] = {"type": "integer"}
    mistakes = misfits("gateway-shep", document)
    assert [one for one in mistakes if "get_participant" in one and "bin" in one], mistakes


def test_a_call_with_a_body_says_how_large_it_may_be(made: dict[str, dict[str, Any]]) -> None:
    for code, document in made.items():
        for what, call in calls(document):
            if "requestBody" in call:
                assert call["x-limits"]["body_bytes"] > 0 and "413" in call["responses"], f"{code} {what}"
    limits = {what: call["x-limits"] for what, call in calls(made["gateway-shep"]) if "x-limits" in call}
    assert limits["PUT /v1/attachments/{sha256}"]["body_bytes"] == 10 * 1024 * 1024
    assert limits["GET /v1/inbox"] == {"access_token_s": 60}


def test_the_documents_are_openapi_3_1(made: dict[str, dict[str, Any]]) -> None:
    for document in made.values():
        validate(document)


def test_the_version_is_the_contracts_and_the_server_that_of_compose(made: dict[str, dict[str, Any]]) -> None:
    version = (ROOT / "contracts/VERSION").read_text().strip()
    ports = {service.code: service.port for service in SERVICES} | {AGENT: 13580}
    for code, port in ports.items():
        document = made[code]
        assert document["info"]["version"] == version
        assert [one["url"] for one in document["servers"]] == [f"http://127.0.0.1:{port}"]


def test_every_reference_leads_somewhere(made: dict[str, dict[str, Any]]) -> None:
    for code, document in made.items():
        for reference in set(references(document)):
            found: Any = document
            for part in reference.removeprefix("#/").split("/"):
                assert part in found, f"{code} {reference}"
                found = found[part]
