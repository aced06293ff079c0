"""Who measures each limit, in which class, and when a side message may come: our rules, written down a second time.

The acts give seconds; who sees both ends of them, and what lateness leads to, is architecture ("Time"). Here it is
derived from the channel's origin and the step's kind alone, so that a slip in one of 21 files shows.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from egovkit.contracts import read_once
from egovlaw.catalogue import Channel, FlowItem, Limit, Regulation
from egovlaw.loader import load_catalogue

CONTRACTS = Path(__file__).resolve().parents[2] / "contracts"
SHEP, PROVIDER = "gateway-shep", "provider-arm"
AT_ORIGIN = {"portal": "portal-pep", "centre": "con-arm", "provider": PROVIDER}
OF_MESSAGE = {"query": "request", "answer": "request", "case.submitted": "submission"}
FACTS_OF_LOCAL_STEPS = {"refuse_login", "refuse_signature", "report_no_data"}
PROVIDERS_WORD = ("case.status", "case.extended", "case.paused", "case.resumed")

catalogue = read_once(load_catalogue, CONTRACTS)
CHANNELS = [
    pytest.param(regulation, channel, id=f"{regulation.code}-{channel.code}")
    for regulation in catalogue.regulations
    for channel in regulation.channels.values()
    if channel.has_flow
]


def expected(channel: Channel, limit: Limit) -> tuple[str, str]:
    """(who measures it, its class)."""
    item, stop = channel.by_label[limit.label], limit.stops_on
    if stop.kind == "message":
        if stop.name == limit.starts_on.name:  # the way of one message: its last stretch is seen where it ends
            actor = next(row for row in channel.table if row.n == limit.table_row).actor_ru or ""
            shown = re.sub(r"[^А-Я]", "", actor) == "ПЭП"  # "П[Э]П" where the scan lost a letter
            return (AT_ORIGIN[channel.origin_kind] if shown else SHEP), "fact"
        cls = OF_MESSAGE.get(stop.name) or OF_MESSAGE.get(stop.name.split(".")[0]) or "fact"
        return (SHEP if limit.starts_on.moment == "end" else acting(channel, item)), cls
    if item.kind.name in FACTS_OF_LOCAL_STEPS:
        return acting(channel, item), "fact"
    at_counter = channel.origin_kind == "centre" and item.type == "precondition"  # he hands his papers in
    by_citizen = at_counter or (channel.origin_kind == "portal" and item.kind.who == "origin")
    return acting(channel, item), "citizen" if by_citizen else "staff"


def acting(channel: Channel, item: FlowItem) -> str:
    """Whose step it is; at a counter the last one, where the result is handed over, too."""
    at_origin = item.kind.who == "origin" or (channel.origin_kind == "centre" and item.kind.name == "hand_over")
    return AT_ORIGIN[channel.origin_kind] if at_origin else PROVIDER


@pytest.mark.parametrize(("regulation", "channel"), CHANNELS)
@pytest.mark.law(topic="limit")
def test_who_sees_both_ends_measures_a_limit(regulation: Regulation, channel: Channel) -> None:
    for limit in channel.limits:
        assert (limit.measured_by, limit.cls) == expected(channel, limit), f"{limit.label}, {limit.clause}"


@pytest.mark.parametrize(("regulation", "channel"), CHANNELS)
@pytest.mark.law(topic="message")
def test_a_side_message_comes_while_the_provider_has_the_case(regulation: Regulation, channel: Channel) -> None:
    """E3: from the registration on, or from the sending where the flow has no registration (N2)."""
    found = {(side.type, side.sender, side.recipient): side.during for side in channel.side_messages}
    assert len(found) == len(channel.side_messages)
    assert found == dict(_side_messages(regulation, channel))


def _side_messages(regulation: Regulation, channel: Channel) -> list[tuple[tuple[str, str, str], tuple[str, ...]]]:
    registered = _first(channel, "register")
    held = registered or _first(channel, "send_and_process", "sign_and_send", "process")
    assert held is not None
    during = (held.label,)
    wanted: list[tuple[tuple[str, str, str], tuple[str, ...]]] = []
    told = channel.origin_kind != "provider"  # at his own desk nobody else waits for his words
    if told:
        wanted += [((name, "provider", "origin"), during) for name in PROVIDERS_WORD]
    if registered is None:  # ШЭП keeps scans of a case from its number on, at whatever desk it was given
        wanted.append((("case.registered", "provider", "origin"), during))
    register = regulation.settings.get("akimat_register")
    if register is not None:
        asked = ("query.register", "provider", "register"), ("answer.register", "register", "provider")
        wanted += [(one, during) for one in asked]
    if register is not None and register.value["use"] == "enqueue" and channel.origin_kind == "portal":
        last = (next(item.label for item in channel.flow if item.outcome == "result"),)
        wanted += [(("query.register", "origin", "register"), last), (("answer.register", "register", "origin"), last)]
    return wanted


def _first(channel: Channel, *kinds: str) -> FlowItem | None:
    return next((item for item in channel.flow if item.kind.name in kinds), None)
