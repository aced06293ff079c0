"""Partners that are called: a portal at ШЭП and a provider at РШЭП, each with a web server of its own."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from typer.testing import CliRunner

from sandbox.bootstrap import RefusedByService
from sandbox.cli import app
from sandbox.partner import Partner
from sandbox.webhook_listener import Listener, Received, listening
from sandbox.world import Deployment

from ..deploy.compose import ComposeWorld
from .test_partner_door import WHERE, registered

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def test_two_partners_without_a_broker_settle_a_case_by_their_webhooks(world: Deployment) -> None:
    origin = await Partner.join(world, "partner-called", WHERE)
    provider = await Partner.join(world, "zz-partner-called", WHERE, kind="provider", regions=(WHERE.region,))
    async with listening(origin) as at_origin, listening(provider) as at_provider:
        if isinstance(world, ComposeWorld):  # its gateways are told nothing of private networks
            with pytest.raises(RefusedByService, match=r"webhook\.url_"):
                await origin.webhook("PUT", json={"url": at_origin.url})
            return
        for partner, listener in ((origin, at_origin), (provider, at_provider)):
            assert (await partner.webhook("PUT", json={"url": listener.url}))["state"] == "active"
            assert (await partner.webhook("POST", "/test"))["status"] == 204
        case = world.ids.new()
        await settled(case, origin, at_origin, provider, at_provider)
        assert at_origin.refused == at_provider.refused == []
        assert [one["envelope"] for one in map(dict, await provider.inbox())] == []
        if world.sandbox:
            await seen_by_command(world, provider, at_provider)


async def settled(case: str, origin: Partner, at_origin: Listener, provider: Partner, at_provider: Listener) -> None:
    """Asked, called, answered, called; the provider's server fails at the first call."""
    failed: list[str] = []

    def once(got: Received) -> int:
        first = got.envelope is not None and got.envelope.subject == case and not failed
        failed.append(got.delivery) if first else None
        return 503 if first else 200

    at_provider.answer = once
    sent = await origin.send(origin.submission(case, recipient=provider.code))
    assert sent.status_code == 202, sent.text
    asked = await at_provider.next("case.submitted", case)
    assert asked.delivery == failed[0]
    while True:  # until the gateway has written down what it was answered
        # beside it may wait that the list of members changed
        [waiting] = [one for one in await deliveries(provider, "waiting") if one["case"] == case]
        if waiting["attempts"][0]["status"] is not None:
            break
        await provider.world.clock.sleep(0.1)
    assert [one["status"] for one in waiting["attempts"]] == [503] and waiting["next_attempt_at"]
    await provider.webhook("POST", f"/deliveries/{waiting['id']}/redeliver")  # the back-off is not waited for
    word = provider.envelope("case.registered", "P6", registered(provider.world), case=case, recipient=origin.code)
    assert (await provider.send(word)).status_code == 202
    told = await at_origin.next("case.registered", case)
    assert told.wire is not None and told.wire.raw == word.encode()
    while (await deliveries(provider, "waiting")) != []:
        await provider.world.clock.sleep(0.1)
    [mine] = [one for one in await deliveries(provider, "delivered") if one["case"] == case]
    assert [one["status"] for one in mine["attempts"]] == [503, 200]


async def deliveries(partner: Partner, state: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await partner.webhook("GET", "/deliveries", params={"state": state}))["items"]
    return found


async def seen_by_command(world: Deployment, provider: Partner, at_provider: Listener) -> None:
    """`egov webhooks` finds the gateway whose participant it is."""

    async def egov(*words: str) -> str:
        result = await asyncio.to_thread(CliRunner().invoke, app, ["webhooks", *words, "--home", str(world.home.path)])
        assert result.exit_code == 0, result.output
        return str(result.output)

    listed = {one["participant"]: one for one in json.loads(await egov("list", "--json"))}
    assert listed[provider.code]["url"] == at_provider.url and "partner-called" in listed
    assert json.loads(await egov("show", provider.code)) == listed[provider.code]
    assert "kz.egov.case.submitted.v1 delivered" in await egov("deliveries", provider.code)
    assert json.loads(await egov("test", provider.code))["status"] == 200
    assert json.loads(await egov("pause", provider.code))["reason"] == "asked"
    assert json.loads(await egov("resume", provider.code))["state"] == "active"
    assert json.loads(await egov("set", provider.code, at_provider.url))["updated_by"] == "operator"
    await egov("remove", provider.code)
    unknown = await asyncio.to_thread(
        CliRunner().invoke, app, ["webhooks", "show", provider.code, "--home", str(world.home.path)]
    )
    assert unknown.exit_code == 1 and "webhook.unknown" in unknown.output
