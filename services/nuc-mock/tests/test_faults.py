"""Faults of the authority itself by name, set as a tester sets them, and what openssl says to each."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from egovkit.clock import Clock, HandClock, ShiftedClock, SystemClock
from nuc_mock.app import create_app
from nuc_mock.settings import Settings

pytestmark = [
    pytest.mark.service,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here"),
]
AT = ["-attime", "1768449660"]  # a minute after the clock of the tests
PERSON = {"iin": "991231600012", "surname": "Әуезова", "name": "Қымбат", "password": "Qwerty12"}


class Bench:
    """A twin in a sandbox, a certificate of it, and the way to its faults."""

    def __init__(self, http: httpx.AsyncClient, folder: Path, settings: Settings) -> None:
        self.http, self.folder, self.settings = http, folder, settings

    async def begin(self) -> None:
        token = self.settings.admin_token_path.read_text().strip()
        issued = await self.http.post("/v1/persons", json=PERSON, headers={"authorization": f"Bearer {token}"})
        (self.folder / "leaf.pem").write_text(issued.json()["certificate"])
        for name in ("root", "issuing"):
            one = x509.load_der_x509_certificate((await self.http.get(f"/ca/{name}.cer")).content)
            (self.folder / f"{name}.pem").write_bytes(one.public_bytes(Encoding.PEM))
        self.of("ocsp", "-issuer", "issuing.pem", "-cert", "leaf.pem", "-no_nonce", "-reqout", "request.der")
        (self.folder / "data").write_bytes(b"data")
        self.of("ts", "-query", "-data", "data", "-sha256", "-cert", "-out", "query.tsq")

    async def fault(self, name: str, **wish: Any) -> httpx.Response:
        return await self.http.post(
            "/v1/sandbox/faults", json={"name": name, **wish}, headers={"authorization": "Bearer sesame"}
        )

    async def clear(self) -> None:
        gone = await self.http.delete("/v1/sandbox/faults", headers={"authorization": "Bearer sesame"})
        assert gone.status_code == 204

    def of(self, *arguments: str) -> tuple[int, str]:
        """What openssl says, in the folder of the files."""
        done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False, cwd=self.folder)
        return done.returncode, done.stdout + done.stderr

    async def asked(self, *options: str) -> tuple[ocsp.OCSPResponse, str]:
        """The answer about the certificate, and openssl's word on it. (Whether an answer's own times are good openssl
        judges by the machine's clock alone.)"""
        answered = await self.http.post("/ocsp", content=(self.folder / "request.der").read_bytes())
        (self.folder / "answer.der").write_bytes(answered.content)
        _, said = self.of(
            "ocsp", *(options or AT), "-CAfile", "root.pem", "-verify_other", "issuing.pem", "-issuer", "issuing.pem",
            "-cert", "leaf.pem", "-no_nonce", "-respin", "answer.der",
        )  # fmt: skip
        return ocsp.load_der_ocsp_response(answered.content), said

    async def stamped(self) -> httpx.Response:
        return await self.http.post("/tsp", content=(self.folder / "query.tsq").read_bytes())


@asynccontextmanager
async def in_sandbox(settings: Settings, clock: Clock) -> AsyncIterator[Bench]:
    token = settings.home / "token"
    token.write_text("sesame\n")
    own = Settings(home=settings.home, sandbox=True, sandbox_token_file=token)
    app = create_app(own, clock=ShiftedClock(clock))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://nuc") as http,
    ):
        bench = Bench(http, settings.home, own)
        await bench.begin()
        yield bench


@pytest.fixture
async def bench(settings: Settings, clock: HandClock) -> AsyncIterator[Bench]:
    async with in_sandbox(settings, clock) as one:
        yield one


async def test_try_later_is_said_and_then_taken_back(bench: Bench) -> None:
    assert (await bench.fault("ocsp-try-later", times=1)).status_code == 201
    answer, said = await bench.asked()
    assert answer.response_status is ocsp.OCSPResponseStatus.TRY_LATER and "trylater" in said
    answer, said = await bench.asked()
    assert "good" in said.splitlines() and "Response verify OK" in said


async def test_a_stale_answer_is_signed_well_and_long_over(bench: Bench, clock: HandClock) -> None:
    await bench.fault("ocsp-stale", parameters={"seconds": 100})
    answer, said = await bench.asked()
    assert answer.next_update_utc == clock.now() - timedelta(seconds=100)
    assert "Response verify OK" in said


async def test_openssl_sees_by_its_own_clock_that_an_answer_is_stale(settings: Settings) -> None:
    async with in_sandbox(settings, SystemClock()) as bench:
        _, said = await bench.asked("-no_check_time")
        assert "leaf.pem: good" in said and "Status times invalid" not in said
        await bench.fault("ocsp-stale", parameters={"seconds": 86400})
        _, said = await bench.asked("-no_check_time")
        assert "Status times invalid" in said


async def test_a_stranger_signs_under_the_responders_name(bench: Bench) -> None:
    good, _ = await bench.asked()
    await bench.fault("ocsp-wrong-signer")
    answer, said = await bench.asked()
    assert answer.certificates[0].subject == good.certificates[0].subject
    assert answer.certificate_status is ocsp.OCSPCertStatus.GOOD
    assert "Response Verify Failure" in said
    await bench.clear()
    assert "Response verify OK" in (await bench.asked())[1]


@pytest.mark.parametrize("path", ["/crl", "/crl/1", "/crl/delta", "/crl/root"])
async def test_an_expired_list_has_the_right_signature_and_number(bench: Bench, clock: HandClock, path: str) -> None:
    fresh = x509.load_der_x509_crl((await bench.http.get(path)).content)
    await bench.fault("crl-expired", parameters={"seconds": 60})
    aged = x509.load_der_x509_crl((await bench.http.get(path)).content)
    assert aged.next_update_utc == clock.now() - timedelta(seconds=60)
    assert list(aged.extensions) == list(fresh.extensions)
    (bench.folder / "aged.pem").write_bytes(aged.public_bytes(Encoding.PEM))
    authority = "root" if path == "/crl/root" else "issuing"
    assert "verify OK" in bench.of("crl", "-noout", "-in", "aged.pem", "-CAfile", f"{authority}.pem")[1]
    if path == "/crl":
        code, said = bench.of(
            "verify", *AT, "-crl_check", "-CAfile", "root.pem", "-untrusted", "issuing.pem", "-CRLfile", "aged.pem",
            "leaf.pem",
        )  # fmt: skip
        assert code != 0 and "CRL has expired" in said


async def test_a_stamp_is_refused_with_its_reason(bench: Bench) -> None:
    await bench.fault("stamp-refused", times=1)
    for said in ("system failure", "Status: Granted"):
        (bench.folder / "reply.tsr").write_bytes((await bench.stamped()).content)
        assert said in bench.of("ts", "-reply", "-in", "reply.tsr", "-text")[1]


async def test_the_stamping_service_is_down_or_its_clock_is_off_by_the_faults_of_every_service(
    bench: Bench, clock: HandClock
) -> None:
    await bench.fault("http-500", parameters={"path": "/tsp"})
    assert (await bench.stamped()).status_code == 500
    assert "good" in (await bench.asked())[1].splitlines(), "only the stamps are down"
    await bench.clear()
    await bench.fault("clock-skew", parameters={"seconds": -86400})
    (bench.folder / "reply.tsr").write_bytes((await bench.stamped()).content)
    wrong = clock.now() - timedelta(days=1)
    assert f"Time stamp: {wrong:%b} {wrong.day} " in bench.of("ts", "-reply", "-in", "reply.tsr", "-text")[1]


async def test_the_stamping_service_is_slow_alone(bench: Bench, clock: HandClock) -> None:
    await bench.fault("slow-reply", parameters={"path": "/tsp", "seconds": 20})
    late = asyncio.create_task(bench.stamped())
    due = clock.now() + timedelta(seconds=20)
    while clock.next_due is None or clock.next_due > due:
        assert "good" in (await bench.asked())[1].splitlines(), "only the stamps are slow"
    await clock.advance(19)
    assert not late.done()
    await clock.advance(1)
    (bench.folder / "reply.tsr").write_bytes((await late).content)
    assert "Status: Granted" in bench.of("ts", "-reply", "-in", "reply.tsr", "-text")[1]


async def test_a_fault_of_the_authority_is_refused_what_it_does_not_know(bench: Bench) -> None:
    answer = await bench.fault("ocsp-stale", person="991231600012")
    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")
