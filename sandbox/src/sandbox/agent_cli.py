"""`egov agent`: the citizen's signing agent on this computer, for pages of a portal on it or elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sandbox.options import HomeOption, home_of

KeysOption = Annotated[list[Path] | None, typer.Option("--key", help="A PKCS#12 file; repeatable.")]
PasswordOption = Annotated[Path | None, typer.Option("--password-file", help="Of all keys; without it you are asked.")]
OriginsOption = Annotated[
    list[str] | None, typer.Option("--origin", help="A page that may ask, as https://portal.example; repeatable.")
]


def agent(
    *,
    key: KeysOption = None,
    password_file: PasswordOption = None,
    origin: OriginsOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Sign whatever is asked, with the first key that fits.")] = False,
    tls: Annotated[bool, typer.Option("--tls/--no-tls", help="wss, by an authority of this home; or plain ws.")] = True,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: a free one.")] = 13579,
    control_port: Annotated[int, typer.Option("--control-port", min=0, max=65535, help="0: a free one.")] = 13580,
    nuc_url: Annotated[str | None, typer.Option("--nuc-url", help="Whose time stamps.")] = None,
    home: HomeOption = None,
) -> None:
    """Sign for pages as NCALayer does, with keys of the twin, until Ctrl-C. Questions come to this terminal. The
    deployment that runs on the home is its НУЦ, and its portal may ask, unless told otherwise."""
    from pydantic import ValidationError

    from egovkit.clock import SystemClock
    from egovkit.log import configure_logging
    from ncalayer_mock.__main__ import run
    from ncalayer_mock.app import CannotStart
    from ncalayer_mock.settings import Settings
    from sandbox.running import run as run_loop

    values: dict[str, Any] = {"yes": yes, "tls": tls, "port": port, "control_port": control_port}
    given = {"keys": key, "password_file": password_file, "origins": origin, "nuc_url": nuc_url}
    values |= beside(home_of(home)) | {name: value for name, value in given.items() if value}
    try:
        settings = Settings(**values)
        asked = settings.keys and settings.password_file is None
        password = typer.prompt("password of the keys", hide_input=True) if asked else None
        configure_logging(SystemClock(), level="warning")
        run_loop(run(settings, typer.echo, password))
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        typer.echo("\n".join(faults), err=True)
        raise typer.Exit(2) from None
    except CannotStart as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(3) from None


def beside(home: Path) -> dict[str, Any]:
    """What an agent beside the deployment of this home works with."""
    from sandbox.composition import NUC, PORTAL, Home
    from sandbox.places import note_of

    where = Home(home)
    found: dict[str, Any] = {"home": home}
    if (note := note_of(where)) is not None:
        found |= {"nuc_url": note["urls"][NUC]}
        found |= {"origins": (note["urls"][PORTAL],)} if PORTAL in note["urls"] else {}
    return found | ({"tls_ca": where.tls_root} if where.tls_root.exists() else {})
