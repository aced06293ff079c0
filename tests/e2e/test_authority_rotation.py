"""НУЦ takes up a new key: whoever signs by it is believed at once, whoever signs by the one before still is, and who is
revoked is known to every holder of either."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from egovkit.signatures.certificates import load_certificate, load_certificates
from egovkit.signatures.keys import der
from sandbox.bootstrap import answer, bearer
from sandbox.composition import NUC, PORTAL
from sandbox.keys import Keys
from sandbox.people import Citizen
from sandbox.replay.reading import load_all
from sandbox.world import Deployment

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]
ISSUED = next(one for one in load_all() if one.channel == "portal" and one.demo)


async def ask_nuc(world: Deployment, path: str, **body: Any) -> Any:
    headers = bearer(world.admin_token(NUC))
    return answer(await world.http.post(f"{world.url(NUC)}{path}", json=body, headers=headers))


async def applied(citizen: Citizen) -> str:
    """An application that the provider believed: it has a number."""
    case = await citizen.apply(ISSUED.regulation, ISSUED.form, ISSUED.attachments)
    await citizen.until(case, "registered")
    return case


async def completed(world: Deployment, official: Any, citizen: Citizen, case: str) -> None:
    await official.take(case)
    await official.check(case, "ok")
    assert ISSUED.result is not None
    await official.issue_result(case, ISSUED.result)
    await citizen.until(case, "completed")


async def refusal(world: Deployment, citizen: Citizen) -> str:
    """The code by which his next application ends; lists are fetched within five seconds."""
    deadline = world.clock.monotonic() + 10
    while True:
        case = await citizen.choose(ISSUED.regulation)
        await citizen.fill(case, ISSUED.form, ISSUED.attachments)
        answered = await citizen.send("POST", f"/v1/cases/{case}/prepare", json={"certificate": citizen.certificate})
        if answered.is_error or world.clock.monotonic() > deadline:
            return str(answered.json().get("code"))
        await world.clock.sleep(0.2)


def verified(folder: Path, certificate: str, root: bytes, issuing: bytes, crl: bytes) -> str:
    """What openssl says about a certificate by the list of its own issuer's key."""
    for name, kind, content in (("root", "x509", root), ("issuing", "x509", issuing), ("list", "crl", crl)):
        (folder / f"{name}.der").write_bytes(content)
        command = ["openssl", kind, "-inform", "DER", "-in", f"{name}.der", "-out", f"{name}.pem"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    (folder / "leaf.pem").write_text(certificate)
    command = ["openssl", "verify", "-crl_check", "-CAfile", "root.pem", "-untrusted", "issuing.pem"]
    done = subprocess.run(
        [*command, "-CRLfile", "list.pem", "leaf.pem"], cwd=folder, check=False, capture_output=True, text=True
    )
    return done.stdout + done.stderr


async def test_old_and_new_keys_of_the_authority_are_believed_and_revoked_alike(
    world: Deployment, tmp_path: Path
) -> None:
    old_citizen, old_official = await world.citizen(), await world.official(region=ISSUED.region)
    await old_citizen.settle_in()
    before = load_certificate(old_citizen.certificate.encode())

    taken_up = await ask_nuc(world, "/v1/authority/rotate")
    # No refresh is waited for: the very next certificate is by the new key, and is shown to the portal at once.
    citizen = await world.citizen()
    await citizen.settle_in()
    case = await applied(citizen)
    official = await world.official(region=ISSUED.region)
    own = load_certificate(official.certificate.encode())
    issuing = load_certificate(taken_up["certificate"].encode())
    own.verify_directly_issued_by(issuing)
    await completed(world, old_official, citizen, case)
    await completed(world, official, old_citizen, await applied(old_citizen))

    # A system of the bus gets its next key by the new key of the authority, and its envelopes pass.
    await Keys(world.home, world.http, world.clock, world.processes()).rotate(PORTAL, overlap=0)
    (system, *_) = load_certificates(world.home.certificate(PORTAL).read_bytes())
    system.verify_directly_issued_by(issuing)
    await applied(citizen)

    # Revoked under the old key, after the rotation: refused by the bus, and by openssl with the old key's own list.
    await ask_nuc(world, f"/v1/certificates/{old_citizen.serial}/revoke", reason="keyCompromise")
    assert await refusal(world, old_citizen) == "certificate.revoked"
    nuc, http = world.url(NUC), world.http
    root = (await http.get(f"{nuc}/ca/root.cer")).content
    generation = taken_up["generation"] - 1
    old_issuing = (await http.get(f"{nuc}/ca/issuing-{generation}.cer")).content
    before.verify_directly_issued_by(load_certificate(old_issuing))
    old_list = (await http.get(f"{nuc}/crl/{generation}")).content
    assert "certificate revoked" in verified(tmp_path, old_citizen.certificate, root, old_issuing, old_list)
    new_list = (await http.get(f"{nuc}/crl")).content
    assert "leaf.pem: OK" in verified(tmp_path, citizen.certificate, root, der(issuing), new_list)
