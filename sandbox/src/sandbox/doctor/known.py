"""What a file is held against: the contracts always; members, authorities and revocations as far as there are any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from egovkit.clock import Clock
from egovkit.contracts import contracts_dir, read_once
from egovkit.errors import EgovError
from egovkit.membership import Member, Members, Membership
from egovkit.messages import MessageRegister
from egovkit.problems import Problems
from egovkit.signatures.certificates import (
    Certificate,
    TrustStore,
    load_certificate,
    load_certificates,
    thumbprint,
)
from egovkit.signatures.profiles import profile_of
from egovkit.signatures.trust_source import TrustSource
from egovlaw.catalogue import Catalogue
from egovlaw.loader import load_catalogue
from egovlaw.routing import Party
from sandbox.bootstrap import participants
from sandbox.composition import NUC, SHEP
from sandbox.doctor.report import Unreadable


@dataclass(slots=True)
class Known:
    """`members`: the live list, version 0 without one. `certificates`: those named on the command line. `ours`: code
    and БИН of the partner who asks. `revocations`: whether a CRL is here."""

    at: datetime
    problems: Problems
    messages: MessageRegister
    catalogue: Catalogue
    parties: dict[str, Party]
    members: Members = field(default_factory=Members)
    trust: TrustStore | None = None
    revocations: bool = False
    certificates: dict[str, Certificate] = field(default_factory=dict)
    ours: tuple[str, str] | None = None
    notes: list[str] = field(default_factory=list)

    def certificate(self, print_: str) -> Certificate | None:
        return self.members.certificate_for(print_) or self.certificates.get(print_)

    def signer(self, print_: str) -> str | None:
        """Whose certificate it is: by the list of members, or by its own CN."""
        if (found := self.members.by_thumbprint(print_)) is not None:
            return found[0].code
        held = self.certificates.get(print_)
        return None if held is None else profile_of(held).subject_cn

    def bin_of(self, code: str) -> str | None:
        if (member := self.members.get(code)) is not None:
            return member.bin
        return self.ours[1] if self.ours is not None and self.ours[0] == code else None

    def take(self, certificate: Certificate) -> None:
        self.certificates[thumbprint(certificate)] = certificate

    def believe(self, roots: bytes) -> None:
        """НУЦ's root, and in PEM the authorities under it. Unreadable when they are not what they are named."""
        try:
            [root, *under] = load_certificates(roots) if b"-----BEGIN" in roots else [load_certificate(roots)]
            self.trust = TrustStore(root)
            for one in under:
                self.trust.add_intermediate(one)
        except (ValueError, EgovError) as error:
            raise Unreadable(f"the root or an authority under it is none: {error}") from None

    def revoke(self, crl: bytes) -> None:
        """By a list of one of the authorities."""
        try:
            self.revocations = self.trust is not None and self.trust.load_crl(crl, self.at)
        except EgovError as error:
            raise Unreadable(f"the revocation list cannot be used: {error}") from None

    async def learn(self, http: httpx.AsyncClient, urls: Mapping[str, str], clock: Clock) -> None:
        """From a running deployment: authorities, revocations, the signed list of members. What does not come is
        noted."""
        if self.trust is None:
            return
        try:
            await TrustSource(self.trust, http, clock, urls[NUC]).refresh()
            self.revocations = True
            membership = Membership(self.trust, clock)
            await membership.fetch(http, urls[SHEP])
            self.members = membership.members
        except (httpx.HTTPError, EgovError) as error:
            self.notes.append(f"the deployment does not tell its members ({error or type(error).__name__})")
        self.parties |= {one.code: party(one) for one in self.members.members}


def from_contracts(at: datetime) -> Known:
    """Offline: what this checkout says."""
    contracts = contracts_dir()
    return Known(
        at,
        read_once(Problems.load, contracts),
        read_once(MessageRegister.load, contracts),
        read_once(load_catalogue, contracts),
        {code: _party(entry) for code, entry in participants(contracts).items()},
    )


def partner(known: Known, folder: Path) -> None:
    """Add what a partner's folder tells. sandbox.partner_folder.FolderUnusable."""
    from sandbox.partner_folder import CHAIN, ROOT, Folder

    wish = Folder(folder).ours().wish
    known.parties[wish.code] = Party(wish.code, wish.kind, wish.regions, wish.services)
    known.ours = (wish.code, wish.bin)
    known.take(Folder(folder).key().certificate)
    if known.trust is None:
        known.believe((folder / ROOT).read_bytes() + b"\n" + (folder / CHAIN).read_bytes())


def party(member: Member) -> Party:
    return Party(member.code, member.kind, member.regions, member.services)


def _party(entry: Mapping[str, Any]) -> Party:
    return Party(entry["code"], entry["kind"], tuple(entry["regions"]), tuple(entry["services"]))
