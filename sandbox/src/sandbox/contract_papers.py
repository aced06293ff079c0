"""What is generated for partners: an OpenAPI document per service as its code has it today, the problems as pages."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from egovkit.contracts import contracts_dir, read_yaml

app = typer.Typer(no_args_is_help=True, help="The contracts partners build against.")
OPENAPI, SUFFIX = "contracts/openapi", ".openapi.yaml"
AGENT = "ncalayer-mock"
ERRORS = "docs/reference/errors"
ASYNCAPI, EXAMPLES = "contracts/asyncapi.yaml", "contracts/messages/examples"
ENVELOPE = "contracts/schemas/envelope.schema.json"
HEAD = "# Made by `make contracts` from the service's code; a test holds it to that.\n"


@app.command("write")
def write(
    root: Annotated[Path | None, typer.Argument(help="Default: this checkout.")] = None,
) -> None:
    """Write what is generated; what belongs to services that are gone is removed."""
    place, made = root or contracts_dir().parent, documents()
    for path in committed(place):
        if path.relative_to(place).as_posix() not in made:
            path.unlink()
    for name, text in made.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text, encoding="utf-8")
    typer.echo(f"{len(made)} documents in {place}")


def committed(root: Path) -> list[Path]:
    many = [*(root / OPENAPI).glob(f"*{SUFFIX}"), *(root / ERRORS).glob("*.md"), *(root / EXAMPLES).glob("*.json")]
    return sorted([*many, *(path for name in (ASYNCAPI, ENVELOPE) if (path := root / name).exists())])


def documents() -> dict[str, str]:
    """By their places. Nothing is started: a document is known before the first request."""
    from sandbox.error_pages import render

    errors, words = (read_yaml(contracts_dir() / name) for name in ("errors.yaml", "words.yaml"))
    made = {f"{OPENAPI}/{code}{SUFFIX}": HEAD + _yaml(document) for code, document in openapi().items()}
    return made | bus() | {f"{ERRORS}/{name}": text for name, text in render(errors, words).items()}


def bus() -> dict[str, str]:
    """The bus's own: AsyncAPI, the envelope's schema, and one example of every message."""
    from egovkit.envelope import json_schema
    from sandbox import asyncapi_paper
    from sandbox.contract_examples import conversations, examples

    shown = examples(conversations(contracts_dir()))
    made = {f"{EXAMPLES}/{name}.json": _json(envelope) for name, envelope in shown.items()}
    made[ENVELOPE] = _json(json_schema())
    head = HEAD.replace("the service's code", "code and contracts")
    return made | {ASYNCAPI: head + _yaml(asyncapi_paper.document(contracts_dir()))}


def openapi() -> dict[str, dict[str, Any]]:
    """OpenAPI 3.1 by service, without the sandbox's own calls: production has none of them."""
    from egovkit.clock import SystemClock
    from egovkit.ids import SystemIds
    from sandbox.bootstrap import make_secrets
    from sandbox.composition import SERVICES, Home, values_for

    urls = {service.code: f"http://127.0.0.1:{service.port}" for service in SERVICES}
    with tempfile.TemporaryDirectory(prefix="egov-contracts-") as scratch:
        home = Home(Path(scratch))
        make_secrets(home, SystemIds(SystemClock()))
        made = {
            service.code: service.app(
                service.settings(values_for(service, home, urls, service.port, sandbox=False))
            ).openapi()
            for service in SERVICES
        }
        return made | {AGENT: _agent(home.path)}


def _agent(home: Path) -> dict[str, Any]:
    """The control API of the citizen's signing agent, which is no service of a deployment."""
    from httpx import AsyncClient

    from ncalayer_mock.app import create_agent
    from ncalayer_mock.settings import Settings

    return create_agent(Settings(home=home), AsyncClient(trust_env=False)).control.openapi()


def _json(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def _yaml(document: dict[str, Any]) -> str:
    # A schema that several calls share is one object here; written out it is the same text each time, and no alias.
    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    def words(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)

    def mapping(dumper: yaml.SafeDumper, values: dict[str, Any]) -> yaml.Node:
        reference = list(values) == ["$ref"]  # on one line: there are thousands of them
        return dumper.represent_mapping("tag:yaml.org,2002:map", values.items(), flow_style=reference)

    Plain.add_representer(str, words)
    Plain.add_representer(dict, mapping)
    text: str = yaml.dump(document, Dumper=Plain, allow_unicode=True, sort_keys=False, width=120)
    return text
