"""Which steps of a regulation's portal channel are the portal's own, found by step kind: no label is known here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from egovlaw.catalogue import FlowItem, Regulation
from egovorigin.domain.steps import LocalFlow, item_of

PORTAL: Final = "portal"  # the channel's code, as in envelopes

_SENDING: Final = ("sign_and_send", "send", "send_and_process")
_SIGNING: Final = ("sign", "attach_and_sign")


@dataclass(frozen=True, slots=True)
class PortalFlow(LocalFlow):
    """The local steps of one regulation's portal channel, and where they lead."""

    authenticate: FlowItem
    verify_login: FlowItem
    choose_and_fill: FlowItem
    check_certificate: FlowItem
    refuse_signature: FlowItem
    sign: FlowItem | None  # None where signing and sending are one step
    send: FlowItem
    refuse_login: FlowItem | None

    @property
    def checks_before_signing(self) -> bool:
        """A1: some acts check the certificate before signing, some after; the order in the flow is theirs."""
        return self.sign is None or self.check_certificate.n < self.sign.n

    @property
    def retaken(self) -> tuple[str, ...]:
        """The steps that are done anew whenever the application is prepared anew."""
        items = (self.choose_and_fill, self.sign, self.check_certificate)
        return tuple(item.label for item in items if item is not None)


def portal_flow(regulation: Regulation) -> PortalFlow | None:
    """None when the regulation is not given through the portal, or its flow lacks a step the portal can do."""
    channel = regulation.channels.get(PORTAL)
    if channel is None or not channel.has_flow:
        return None
    send = item_of(channel, *_SENDING)
    required = [
        item_of(channel, kind)
        for kind in ("authenticate", "verify_login", "choose_and_fill", "check_certificate", "refuse_signature")
    ]
    authenticate, verify, fill, check, refuse = required
    if send is None or authenticate is None or verify is None or fill is None or check is None or refuse is None:
        return None
    return PortalFlow(
        channel=channel,
        authenticate=authenticate,
        verify_login=verify,
        choose_and_fill=fill,
        check_certificate=check,
        refuse_signature=refuse,
        sign=item_of(channel, *_SIGNING),
        send=send,
        refuse_login=item_of(channel, "refuse_login"),
    )


def login_refusal(regulation: Regulation) -> FlowItem | None:
    """The item that refuses a login for this regulation, for the record of a refused login."""
    channel = regulation.channels.get(PORTAL)
    return None if channel is None else item_of(channel, "refuse_login")
