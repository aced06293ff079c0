"""A citizen of the portal whose key only the signing agent holds: what the portal prepares goes through NCALayer's
protocol, is stamped by НУЦ's twin and registered at the provider."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect

from ncalayer_mock.app import running
from ncalayer_mock.settings import Settings
from sandbox.composition import NUC
from sandbox.people import Citizen
from sandbox.replay.reading import load_all
from sandbox.world import Deployment

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]
ISSUED = next(one for one in load_all() if one.channel == "portal" and one.demo)
PAGE, PASSWORD = "https://portal.example", "Qwerty12"


class AtTheAgent:
    """Signs in place of `Citizen.sign`."""

    def __init__(self, page: ClientConnection) -> None:
        self.page = page
        self.signed = 0

    async def sign(self, document: bytes, key: object = None) -> str:
        assert key is None
        await self.page.send(
            json.dumps(
                {
                    "module": "kz.gov.pki.knca.basics",
                    "method": "sign",
                    "args": {
                        "allowedStorages": ["PKCS12"],
                        "format": "cms",
                        "data": base64.b64encode(document).decode(),
                        "signingParams": {"decode": True, "encapsulate": False, "digested": False, "tsaProfile": {}},
                        "signerParams": {"extKeyUsageOids": ["1.3.6.1.5.5.7.3.4", "1.2.398.3.3.4.1.1"], "chain": []},
                        "locale": "kk",
                    },
                }
            )
        )
        answered = json.loads(await self.page.recv())
        assert "result" in answered.get("body", {}), answered
        [pem] = answered["body"]["result"]
        self.signed += 1
        return "".join(pem.split("\n")[1:-2])  # the portal takes base64 of DER


async def test_an_application_signed_by_the_agent_is_registered(
    world: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    citizen: Citizen = await world.citizen()
    settings = Settings(
        home=tmp_path, port=0, control_port=0, tls=False, yes=True, origins=(PAGE,), nuc_url=world.url(NUC)
    )
    async with running(settings, clock=world.clock) as agent:
        agent.ring.add(citizen.key.to_pkcs12(PASSWORD, "citizen"), PASSWORD, name="citizen.p12")
        async with connect(agent.address, origin=PAGE, proxy=None) as page:
            assert json.loads(await page.recv()) == {"result": {"version": "1.4"}}
            hand = AtTheAgent(page)
            monkeypatch.setattr(citizen, "sign", hand.sign)
            await citizen.settle_in()
            case = await citizen.apply(ISSUED.regulation, ISSUED.form, ISSUED.attachments)
    assert hand.signed == 2  # the account's confirmation and the application
    assert len((await citizen.until(case, "registered"))["number"]) == 11
