"""`egov partner`: a system of yours on the bus of a running sandbox."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from egovkit.contracts import read_yaml
from sandbox.options import HomeOption, JsonOption, TargetOption, home_of

if TYPE_CHECKING:
    from sandbox.at_door import AtDoor
    from sandbox.composition import Home
    from sandbox.enrolment import Operators, Wish
    from sandbox.partner_folder import Folder, Ours

app = typer.Typer(no_args_is_help=True, help="A system of your own on the bus: join it, send, receive.")
T = TypeVar("T")


class Kind(StrEnum):
    PORTAL = "portal"
    CENTRE = "centre"
    PROVIDER = "provider"
    PERSON_REGISTER = "person_register"
    ATTORNEY_REGISTER = "attorney_register"
    AKIMAT_REGISTER = "akimat_register"


class Lang(StrEnum):
    RU = "ru"
    KK = "kk"
    EN = "en"


Code = Annotated[str, typer.Argument(help="Small Latin letters, digits, hyphens: what your envelopes name as source.")]
KindOption = Annotated[Kind, typer.Option("--kind", help="What your system is on the bus.")]
BinOption = Annotated[str, typer.Option("--bin", help="Your БИН; its check digit has to be right.")]
RegionOption = Annotated[list[str] | None, typer.Option("--region", help="Of a provider or a register; repeatable.")]
ServiceOption = Annotated[list[str] | None, typer.Option("--service", help="A regulation; repeatable. Default: all.")]
RuOption = Annotated[str | None, typer.Option("--name-ru")]
KkOption = Annotated[str | None, typer.Option("--name-kk")]
OutOption = Annotated[Path, typer.Option("--out", "-o", help="The partner's folder.", envvar="EGOV_PARTNER")]
AsOption = Annotated[Path, typer.Option("--as", help="The partner's folder.", envvar="EGOV_PARTNER")]
LangOption = Annotated[Lang, typer.Option("--lang", help="Language of what the bus answers.")]
DEFAULT = Path("partner")


@dataclass(frozen=True, slots=True)
class Bus:
    """The deployment as the commands need it: its addresses, its operators, its time."""

    urls: dict[str, str]
    operators: Operators
    home: Home

    def at(self, folder: Folder, ours: Ours) -> AtDoor:
        from egovkit.ids import SystemIds
        from sandbox.at_door import AtDoor
        from sandbox.clock import moved_before

        clock, wish = moved_before(self.home), ours.wish
        url = self.urls.get(wish.door, ours.door_url)
        return AtDoor(self.operators.http, url, wish.door, wish.code, folder.key(), clock, SystemIds(clock))


@app.command()
def join(
    code: Code,
    *,
    kind: KindOption,
    bin: BinOption,
    region: RegionOption = None,
    service: ServiceOption = None,
    name_ru: RuOption = None,
    name_kk: KkOption = None,
    out: OutOption = DEFAULT,
    home: HomeOption = None,
    target: TargetOption = None,
) -> None:
    """Key, certificate of НУЦ's twin, entry in ШЭП's register; ready when its gateway knows it. May be repeated."""
    wish, folder = _wish(code, kind, bin, (region, service, name_ru, name_kk)), _folder(out)

    async def work(bus: Bus) -> AtDoor:
        _of_nobody_else(folder, code)
        folder.keep(await bus.operators.admit(wish, folder.request(code)), wish, bus.urls)
        at = bus.at(folder, folder.ours())
        await at.until_let_in()
        return at

    at = _with_bus(home, target, work)
    typer.echo(f"{code} takes part as {kind.value}; its door is {at.door} at {at.url}; key and certificate: {out}")


@app.command()
def request(code: Code, *, out: OutOption = DEFAULT) -> None:
    """Only key and PKCS#10 request: for those whose operator admits them (`egov partner admit`)."""
    with in_words():
        _folder(out).request(code)
    typer.echo(f"give {out / 'request.csr'} to the operator; key.pem stays here")


@app.command()
def admit(
    csr: Annotated[Path, typer.Argument(help="The partner's request.csr.")],
    code: Code,
    *,
    kind: KindOption,
    bin: BinOption,
    region: RegionOption = None,
    service: ServiceOption = None,
    name_ru: RuOption = None,
    name_kk: KkOption = None,
    out: OutOption = DEFAULT,
    home: HomeOption = None,
    target: TargetOption = None,
) -> None:
    """The operator's half of `join`: all of the folder but the key, for the partner to lay beside his key.pem."""
    wish = _wish(code, kind, bin, (region, service, name_ru, name_kk))

    async def work(bus: Bus) -> None:
        _folder(out).keep(await bus.operators.admit(wish, csr.read_text()), wish, bus.urls)

    _with_bus(home, target, work)
    typer.echo(f"{code} is admitted; give the files of {out} to its owner")


@app.command()
def show(*, at: AsOption = DEFAULT, home: HomeOption = None, target: TargetOption = None) -> None:
    """The partner's entry in ШЭП's register."""

    async def work(bus: Bus) -> dict[str, Any]:
        return await bus.operators.participant(_folder(at).ours().wish.code)

    typer.echo(json.dumps(_with_bus(home, target, work), ensure_ascii=False, indent=2))


@app.command()
def suspend(*, at: AsOption = DEFAULT, home: HomeOption = None, target: TargetOption = None) -> None:
    """Its envelopes are refused from now on."""
    _set_state(at, "suspend", home, target)


@app.command()
def resume(*, at: AsOption = DEFAULT, home: HomeOption = None, target: TargetOption = None) -> None:
    """It takes part again."""
    _set_state(at, "resume", home, target)


@app.command()
def rotate(
    *,
    at: AsOption = DEFAULT,
    overlap: Annotated[
        float, typer.Option("--overlap", min=0, help="Seconds the old certificate stays good after the turn.")
    ] = 60.0,
    keep_old: Annotated[bool, typer.Option("--keep-old", help="Do not end the old certificate.")] = False,
    home: HomeOption = None,
    target: TargetOption = None,
) -> None:
    """A new key and certificate beside the old; the old is ended at ШЭП after the overlap, for what is on its way."""
    folder = _folder(at)

    from egovkit.clock import SystemClock

    async def work(bus: Bus) -> str:
        ours, following = folder.ours(), folder.next()
        wish = ours.wish
        issued = await bus.operators.certify(wish.code, wish.bin, following.request(wish.code))
        following.keep(issued, wish, bus.urls)
        await bus.at(following, ours).until_let_in()
        before = folder.key().thumbprint
        folder.turn()
        typer.echo(f"signing with {folder.key().thumbprint}; the key before it lies in {at / 'old'}")
        if keep_old:
            return f"{before} stays good"
        await SystemClock().sleep(overlap)
        await bus.operators.end_certificate(wish.code, before)
        return f"{before} is good no more"

    typer.echo(_with_bus(home, target, work))


@app.command()
def send(
    file: Annotated[Path, typer.Argument(help="An envelope; its bytes are signed as they are.")],
    *,
    at: AsOption = DEFAULT,
    lang: LangOption = Lang.EN,
    home: HomeOption = None,
    target: TargetOption = None,
) -> None:
    """Sign an envelope and hand it over. Exits 1 when it is refused, and says why."""

    async def work(bus: Bus) -> Any:
        from sandbox.bootstrap import answer

        door, raw = bus.at(_folder(at), _folder(at).ours()), file.read_bytes()
        return answer(await door.post(raw, door.sign(raw), headers={"Accept-Language": lang.value}))

    answered = _with_bus(home, target, work)
    typer.echo(f"{answered['state']}, receipt {answered['receipt'] or '-'}")


@app.command()
def inbox(
    *,
    at: AsOption = DEFAULT,
    ack: Annotated[bool, typer.Option("--ack", help="Afterwards say that they are stored.")] = False,
    save: Annotated[Path | None, typer.Option("--save", help="A folder: one file for each.")] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
    target: TargetOption = None,
) -> None:
    """What waits for the partner, oldest first."""

    async def work(bus: Bus) -> list[dict[str, Any]]:
        door = bus.at(_folder(at), _folder(at).ours())
        items = await door.inbox()
        if save is not None:
            _save(save, items)
        if ack and items:
            await door.acknowledge([item["id"] for item in items])
        return items

    items = _with_bus(home, target, work)
    if as_json:
        typer.echo(json.dumps(items, indent=2))
        return
    for item in items:
        typer.echo(_line(item))
    typer.echo(f"{len(items)} waited{' and are acknowledged' if ack and items else ''}")


def _line(item: dict[str, Any]) -> str:
    from base64 import b64decode

    from egovkit.envelope import Envelope

    one = Envelope.parse(b64decode(item["envelope"]))
    return f"{one.time:%H:%M:%S}Z {one.type} from {one.source}, case {one.subject}, step {one.step}"


def _save(folder: Path, items: list[dict[str, Any]]) -> None:
    from sandbox.bootstrap import write_private

    for item in items:
        write_private(folder / f"{item['id']}.json", json.dumps(item, indent=2).encode())


def _folder(path: Path) -> Folder:
    from sandbox.partner_folder import Folder

    return Folder(path)


def _of_nobody_else(folder: Folder, code: str) -> None:
    from sandbox.partner_folder import ABOUT, FolderUnusable

    if (folder.path / ABOUT).exists() and (held := folder.ours().wish.code) != code:
        raise FolderUnusable(f"{folder.path} is the folder of {held}; give {code} another by -o")


def _wish(code: str, kind: Kind, bin: str, more: tuple[Any, ...]) -> Wish:
    """Exits 2 and names everything that would be refused."""

    from egovkit.contracts import contracts_dir
    from egovlaw.loader import load_catalogue
    from sandbox.enrolment import Wish, mistakes

    regions, services, name_ru, name_kk = more
    given = {"regions": tuple(regions or ()), "name_ru": name_ru, "name_kk": name_kk}
    wish = Wish(
        code, kind.value, bin, services=tuple(services or ("*",)), **{n: value for n, value in given.items() if value}
    )
    known = read_yaml(contracts_dir() / "regions.yaml")["regions"]
    regulations = load_catalogue(contracts_dir()).by_code if services else ()
    if found := mistakes(wish, known, regulations):
        typer.echo("\n".join(found), err=True)
        raise typer.Exit(2)
    return wish


def _set_state(at: Path, action: str, home: Path | None, target: str | None) -> None:
    async def work(bus: Bus) -> dict[str, Any]:
        return await bus.operators.set_state(_folder(at).ours().wish.code, action)

    found = _with_bus(home, target, work)
    typer.echo(f"{found['code']} is {found['state']}")


def _with_bus(home: Path | None, target: str | None, work: Callable[[Bus], Awaitable[T]]) -> T:
    from sandbox.composition import Home
    from sandbox.running import run

    async def ask() -> T:
        async with _bus(Home(home_of(home)), target) as bus:
            return await work(bus)

    with in_words():
        return run(ask())


@asynccontextmanager
async def _bus(home: Home, url: str | None) -> AsyncIterator[Bus]:
    from sandbox.composition import NUC, SHEP
    from sandbox.enrolment import Operators
    from sandbox.target import NoTarget
    from sandbox.target import target as aimed

    async with aimed(home, url) as aim:
        urls = {member.code: member.url for member in reversed(aim.members)}
        paths = [home.admin_token(code) for code in (NUC, SHEP)]
        if missing := [str(path) for path in paths if not path.is_file()]:
            raise NoTarget(f"operators' tokens are not in {', '.join(missing)}; an operator admits a request.csr")
        nuc, shep = (path.read_text().strip() for path in paths)
        yield Bus(urls, Operators(aim.http, urls[NUC], urls[SHEP], nuc, shep), home)


@contextmanager
def in_words() -> Iterator[None]:
    """Says in words why it did not work: exits 1 when somebody refused, 3 when nothing is there to ask."""
    import httpx

    from sandbox.bootstrap import RefusedByService
    from sandbox.partner_folder import FolderUnusable
    from sandbox.target import NoTarget

    try:
        yield
    except RefusedByService as error:
        _say(refusal(error.problem) if error.problem else str(error), 1)
    except (FolderUnusable, NoTarget) as error:
        _say(str(error), 3)
    except (OSError, httpx.HTTPError) as error:
        _say(f"{type(error).__name__}: {error}", 3)


def refusal(problem: dict[str, Any]) -> str:
    """A problem document in a few lines."""
    clause = f" ({problem['clause']})" if problem.get("clause") else ""
    lines = [f"refused: {problem.get('code')}{clause}", str(problem.get("detail")), str(problem.get("remedy"))]
    lines += [f"  {one['field']}: {one['message']}" for one in problem.get("errors", ())]
    return "\n".join(lines)


def _say(text: str, status: int) -> NoReturn:
    typer.echo(text, err=True)
    raise typer.Exit(status) from None
