"""`egov contracts client DIR`: the Python client of the bus, generated from the OpenAPI documents (ADR 8)."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from egovkit.contracts import contracts_dir, read_yaml

PACKAGE = Path("src") / "egov_client"
SUFFIX = ".openapi.yaml"
BYTES = "application/octet-stream"  # how the generator passes bytes on as they are
LEFT_OUT = shutil.ignore_patterns("__pycache__", "tests")


class NotGenerated(Exception):
    """The generator cannot read a document; names each place."""


def client(
    folder: Annotated[Path, typer.Argument(help="Where the package is written; emptied first if it is one.")],
    only: Annotated[
        list[str] | None, typer.Option("--only", help="A service's code; repeatable. Default: all.")
    ] = None,
) -> None:
    """Write the Python client: a package for each service, and the signatures."""
    if folder.exists() and any(folder.iterdir()) and not (folder / PACKAGE).is_dir():
        typer.echo(f"{folder} holds something else than a client; give another folder", err=True)
        raise typer.Exit(2)
    try:
        names = write_client(folder, only)
    except NotGenerated as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{len(names)} services in {folder / PACKAGE}; pip install {folder}")


def write_client(folder: Path, only: Collection[str] | None = None) -> list[str]:
    """The same files for the same documents. Codes of the services that are in it."""
    root, wanted = contracts_dir().parent, set(only or ())
    found = {path.name.removesuffix(SUFFIX): path for path in sorted((root / "contracts/openapi").glob(f"*{SUFFIX}"))}
    if unknown := wanted - found.keys():
        raise NotGenerated(f"no such service: {', '.join(sorted(unknown))}; there are {', '.join(found)}")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(root / "partner-kit/python", folder, ignore=LEFT_OUT)
    chosen = [code for code in found if not wanted or code in wanted]
    for code in chosen:
        generate(read_yaml(found[code]), folder / PACKAGE / code.replace("-", "_"))
    return chosen


def generate(document: dict[str, Any], folder: Path) -> None:
    """One service's package. NotGenerated rather than a package with calls missing."""
    from openapi_python_client import generate as generator
    from openapi_python_client.config import Config, ConfigFile, MetaType

    prepared = _prepared(document)
    settings = ConfigFile(post_hooks=[], content_type_overrides=dict.fromkeys(_binary(prepared), BYTES))
    with tempfile.TemporaryDirectory(prefix="egov-client-") as scratch:
        path = Path(scratch) / "openapi.json"
        path.write_text(json.dumps(prepared), encoding="utf-8")
        config = Config.from_sources(settings, MetaType.NONE, path, "utf-8", True, folder)
        if problems := generator(config=config):
            raise NotGenerated("\n".join(f"{folder.name}: {one.header}: {one.detail}" for one in problems))


def _prepared(document: dict[str, Any]) -> dict[str, Any]:
    """Two models of one name get the module's before it; titles, which the generator would take for names, go."""
    schemas: dict[str, Any] = document.get("components", {}).get("schemas", {})
    short = {name: _short(name) for name in schemas}
    if len(set(short.values())) < len(short):
        raise NotGenerated(f"two models are called alike: {sorted(short)}")
    renamed = {short[name]: {k: v for k, v in schema.items() if k != "title"} for name, schema in schemas.items()}
    document = {**document, "components": {**document.get("components", {}), "schemas": renamed}}
    at = "#/components/schemas/"
    found: dict[str, Any] = _with_references(document, {at + name: at + new for name, new in short.items()})
    return found


def _short(name: str) -> str:
    """portal_pep__api__surveys__Words -> SurveysWords."""
    *modules, last = name.split("__")
    return "".join(part.title() for part in modules[-1].split("_")) + last if modules else last


def _with_references(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            key: names.get(inner, inner) if key == "$ref" and isinstance(inner, str) else _with_references(inner, names)
            for key, inner in value.items()
        }
    return [_with_references(one, names) for one in value] if isinstance(value, list) else value


def _binary(document: Mapping[str, Any]) -> Iterator[str]:
    """Media types that are bytes: files, certificates, envelopes."""
    for path in document["paths"].values():
        for operation in (one for one in path.values() if isinstance(one, dict)):
            for body in (operation.get("requestBody", {}), *operation.get("responses", {}).values()):
                yield from (name for name in body.get("content", {}) if not _is_text(name))


def _is_text(media_type: str) -> bool:
    return media_type in ("application/json", "application/problem+json", BYTES) or media_type.startswith("text/")
