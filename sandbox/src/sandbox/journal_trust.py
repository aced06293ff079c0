"""Whom to believe about a journal: НУЦ's root as the deployment has had it from its first start, and nobody's database.

Whoever may write into the databases can make rows, put a certificate of his own into ШЭП's register and ask НУЦ for a
stamp; he cannot make НУЦ certify his key for another system, nor stamp with an earlier time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from egovkit.errors import EgovError
from sandbox.bootstrap import load_key
from sandbox.composition import PARTICIPANTS, Home
from sandbox.journal_verdict import TokenCheck
from sandbox.journals import JournalCopy

if TYPE_CHECKING:
    from egovkit.journal_stamps import JournalStamp
    from egovkit.signatures.certificates import Certificate, TrustStore

__all__ = ["certified", "token_check", "trust_of"]


def trust_of(home: Home, copies: Sequence[JournalCopy]) -> TrustStore | None:
    """The root, and the authorities under it that stamps and the systems' own key files carry: a journal can be read
    where НУЦ is not. None where there is no root, or nothing that leads to it."""
    from egovkit.signatures.certificates import TrustStore, load_certificate
    from egovkit.signatures.stamps import stamp_certificates

    if not home.trust_root.exists():
        return None
    trust = TrustStore(load_certificate(home.trust_root.read_bytes()))
    carried = [partial(_chain_of, home, code) for code in PARTICIPANTS]
    carried += [partial(stamp_certificates, stamp.token) for copy in copies for stamp in copy.stamps]
    return trust if any([_learn(trust, one) for load in carried for one in _loaded(load)]) else None


def _chain_of(home: Home, code: str) -> tuple[Certificate, ...]:
    held = home.keystore(code).exists() and home.keystore_password(code).exists()
    return load_key(home, code).chain if held else ()


def _loaded(load: Callable[[], tuple[Certificate, ...]]) -> tuple[Certificate, ...]:
    """Nothing where it can't be read: of a stamp its own check will say so, a key is only one source of several."""
    try:
        return load()
    except EgovError:
        return ()


def _learn(trust: TrustStore, certificate: Certificate) -> bool:
    """Know an authority that leads to the root."""
    try:
        trust.add_intermediate(certificate)
    except EgovError:
        return False
    return True


def certified(copies: Sequence[JournalCopy], trust: TrustStore | None) -> list[JournalCopy]:
    """The copies, with those certificates of ШЭП's register alone that НУЦ issued to the system they stand for."""
    from egovkit.signatures.certificates import load_certificate
    from egovkit.signatures.profiles import profile_of

    if trust is None:
        return list(copies)

    def issued(code: str, der: bytes) -> bool:
        try:
            certificate = load_certificate(der)
            return bool(trust.chain_of(certificate)) and profile_of(certificate).subject_cn == code
        except ValueError:
            return False

    return [
        copy
        if copy.certificates is None
        else replace(copy, certificates=[one for one in copy.certificates if issued(one.code, one.der)])
        for copy in copies
    ]


def token_check(trust: TrustStore | None, at: datetime) -> TokenCheck | None:
    """Whether a stamp is НУЦ's, and of the moment that is written beside it; None where there is no root to ask.
    Revocation is not looked up."""
    if trust is None:
        return None
    from egovkit.signatures.stamps import check_token

    def check(stamp: JournalStamp) -> str | None:
        try:
            facts = check_token(stamp.token, bytes.fromhex(stamp.root), trust, at)
        except EgovError as error:
            return error.code
        except ValueError:
            return "its root is no digest"
        # An unknown revocation comes before a wrong usage, so it is set aside before the verdict and not after it.
        known = replace(facts, signer=replace(facts.signer, revoked=bool(facts.signer.revoked)))
        if known.refusal is None and facts.moment != stamp.moment:
            return f"it was given at {facts.moment:%Y-%m-%d %H:%M:%S} UTC"
        return known.refusal

    return check
