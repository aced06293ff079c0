"""The first start of a deployment: secrets, keys, certificates, the register of participants.

Every function looks first at what is there, so that the second start changes nothing. Keys are made here and
never leave `home`; only requests for certificates go to nuc-mock, and only certificates to ШЭП's register.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from egovkit.contracts import contracts_dir, read_yaml
from sandbox.composition import ADMINISTERED, NUC, PARTICIPANTS, SHEP, WITH_SESSIONS, Home
from sandbox.hosting import StartFailed

if TYPE_CHECKING:
    from egovkit.clock import Clock
    from egovkit.ids import Ids
    from egovkit.signatures.keys import SigningKey

READY_SECONDS = 120.0  # eight processes starting on two busy cores, migrations included
POLL_SECONDS = 0.05
ASK_SECONDS = 10.0  # a register that commits before it answers

Progress = Callable[[str], None]


class NotReady(Exception):
    """A service did not become ready in time; the message carries its own last words."""


class RefusedByService(Exception):
    """A control call was refused; the message is the problem document, `problem` the same, read."""

    def __init__(self, message: str, problem: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.problem = dict(problem or {})


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def answer(response: httpx.Response) -> Any:
    """The JSON of a successful answer."""
    if response.is_error:
        where = f"{response.request.method} {response.request.url}"
        told = "json" in response.headers.get("content-type", "")
        raise RefusedByService(f"{where}: {response.text}", response.json() if told else None)
    return response.json()


def make_home(path: Path) -> None:
    """The deployment's folder, for its owner alone: the databases below it hold what people sent."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)


@contextmanager
def held(home: Home) -> Iterator[None]:
    """The home is this process's until the end. Two deployments on one home would share databases but not the
    broker, and each would send what the other's services wait for."""
    make_home(home.path)
    with (home.path / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            owner = file.read().strip() or "?"
            raise StartFailed(
                f"{home.path} is in use by the deployment of process {owner}; give another --home"
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def write_private(path: Path, content: bytes) -> None:
    """A file only its owner can read, complete or not there, also after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    scratch = path.with_name(f".{path.name}.new")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


def make_secrets(home: Home, ids: Ids) -> None:
    """Admin tokens, session keys, key store passwords, and the keys of what is sealed at rest."""
    paths = [home.admin_token(code) for code in ADMINISTERED]
    paths += [home.session_key(code) for code in WITH_SESSIONS]
    paths += [home.keystore_password(code) for code in (NUC, *PARTICIPANTS)]
    paths.append(home.clock_token)
    for path in paths:
        if not path.exists():
            write_private(path, ids.token(32).encode())
    for path in (home.sealing_key, *(home.journal_key(code) for code in PARTICIPANTS)):
        if not path.exists():
            write_private(path, key_hex(ids).encode())


def key_hex(ids: Ids) -> str:
    """32 random bytes in hex."""
    return base64.urlsafe_b64decode(ids.token(32) + "=").hex()


def participants(contracts: Path | None = None) -> dict[str, dict[str, Any]]:
    """The participants known at the first start, by code."""
    data = read_yaml(contracts_dir(contracts) / "participants.yaml")
    return {entry["code"]: entry for entry in data["participants"]}


async def fetch_root(http: httpx.AsyncClient, home: Home, nuc_url: str) -> None:
    """The trust anchor. Taken once: a root that changed under us is not to be trusted silently."""
    if not home.trust_root.exists():
        response = await http.get(f"{nuc_url}/ca/root.cer")
        response.raise_for_status()
        write_private(home.trust_root, response.content)


async def make_keystores(http: httpx.AsyncClient, home: Home, nuc_url: str) -> None:
    """A key and a system certificate for every participant that has none."""
    known = participants()
    for code in PARTICIPANTS:
        if not home.keystore(code).exists():
            key, pem = await request_certificate(http, home, nuc_url, code=code, bin=known[code]["bin"])
            keep_key(home, code, key, pem)


def keep_key(home: Home, code: str, key: SigningKey, pem: str) -> None:
    """The participant's key and certificate in their files; what was there is replaced, each file as a whole."""
    password = home.keystore_password(code).read_text()
    write_private(home.certificate(code), pem.encode())
    write_private(home.keystore(code), key.to_pkcs12(password, code))


async def request_certificate(
    http: httpx.AsyncClient, home: Home, nuc_url: str, *, code: str, bin: str, **dates: str
) -> tuple[SigningKey, str]:
    """A new key, certified by nuc-mock as the system `code`, and its certificate in PEM. `dates`: not_before,
    not_after."""
    from egovkit.signatures.certificates import load_certificate
    from egovkit.signatures.keys import SigningKey, csr, new_private_key

    private = new_private_key()
    token = home.admin_token(NUC).read_text()
    issued = await certify(http, nuc_url, token, request=csr(private, code).decode(), code=code, bin=bin, **dates)
    chain = tuple(load_certificate(pem.encode()) for pem in pems(issued["chain"]))
    certificate = str(issued["certificate"])
    return SigningKey(private, load_certificate(certificate.encode()), chain), certificate


async def certify(
    http: httpx.AsyncClient, nuc_url: str, token: str, *, request: str, code: str, bin: str, **dates: str
) -> dict[str, Any]:
    """What nuc-mock issues to the system `code` for a PKCS#10 request; asked twice, the same. `dates`: not_before,
    not_after."""
    wanted = {"csr": request, "profile": "system", "common_name": code, "bin": bin, **dates}
    headers = {**bearer(token), "Idempotency-Key": hashlib.sha256(request.encode()).hexdigest()}
    issued: dict[str, Any] = answer(await http.post(f"{nuc_url}/v1/certificates", json=wanted, headers=headers))
    return issued


def pems(chain: str | list[str]) -> list[str]:
    """Certificates of a chain, given as a list or as one PEM text."""
    if isinstance(chain, list):
        return chain
    end = "-----END CERTIFICATE-----"
    return [part + end for part in chain.split(end) if part.strip()]


def load_key(home: Home, code: str) -> SigningKey:
    """The participant's own key; the sandbox owns every one of them."""
    from egovkit.signatures.custody import KeyFile

    return KeyFile(home.keystore(code), home.keystore_password(code)).signing_key()


async def register_certificates(http: httpx.AsyncClient, home: Home, shep_url: str) -> None:
    """Put every participant's certificate into ШЭП's register, where it is not yet."""
    from egovkit.signatures.certificates import load_certificate
    from egovkit.signatures.keys import thumbprint

    for code in PARTICIPANTS:
        pem = home.certificate(code).read_text()
        name = thumbprint(load_certificate(pem.encode()))
        held = await http.get(f"{shep_url}/v1/certificates/{name}")
        if held.status_code != 200:
            await register_certificate(http, home, shep_url, code, pem)


async def register_certificate(http: httpx.AsyncClient, home: Home, shep_url: str, code: str, pem: str) -> None:
    """One more certificate the participant may sign with, in ШЭП's register."""
    headers = bearer(home.admin_token(SHEP).read_text())
    key = f"certificate-{hashlib.sha256(pem.encode()).hexdigest()}"
    answer(
        await http.post(
            f"{shep_url}/v1/participants/{code}/certificates",
            json={"certificate": pem},
            headers={**headers, "Idempotency-Key": key},
        )
    )


async def end_certificate(http: httpx.AsyncClient, home: Home, shep_url: str, code: str, print_: str) -> None:
    """The participant's signatures by this certificate are refused from now on."""
    headers = bearer(home.admin_token(SHEP).read_text())
    answer(await http.delete(f"{shep_url}/v1/participants/{code}/certificates/{print_}", headers=headers))


async def wait_ready(
    http: httpx.AsyncClient, urls: Mapping[str, str], clock: Clock, progress: Progress = lambda _: None
) -> None:
    """Until every service says it is ready; tells who became so, and on failure what they wait for."""
    deadline = clock.monotonic() + READY_SECONDS
    waiting = dict(urls)
    last: dict[str, str] = {}
    while waiting:
        for name, url in list(waiting.items()):
            last[name] = await readiness(http, url)
            if last[name] == "":
                del waiting[name]
                progress(f"{name} is ready at {url}")
        if waiting and clock.monotonic() > deadline:
            raise NotReady("; ".join(f"{name}: {last[name]}" for name in waiting))
        if waiting:
            await clock.sleep(POLL_SECONDS)


async def readiness(http: httpx.AsyncClient, url: str) -> str:
    """Empty when ready, else why not."""
    try:
        response = await http.get(f"{url}/health/ready")
    except httpx.TransportError as error:
        return f"{type(error).__name__}: {error}" if "SSL" in str(error) else type(error).__name__
    return "" if response.status_code == 200 else response.text[:500]
