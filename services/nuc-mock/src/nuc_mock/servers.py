"""The certificates of a deployment's servers, before there is anything to ask for them: RabbitMQ and PostgreSQL start
before nuc-mock does, and its own HTTPS needs one too. So the authority is made first, from files alone; nuc-mock takes
it over at its first start (`authority_file`), with the register of what was issued (`servers_file`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from egovkit.clock import Clock
from egovkit.ids import Ids
from nuc_mock import domain, store
from nuc_mock.domain import CertificateOrder, Profile
from nuc_mock.service import BACKDATE, addresses_of, make_authorities
from nuc_mock.settings import Settings

__all__ = ["MadeServers", "certify_servers", "new_authority"]


@dataclass(frozen=True, slots=True)
class MadeServers:
    """PEM texts: what clients trust; by name of the server its certificate with the issuing authority's, and its key;
    and all certificates in one."""

    root: bytes
    chains: Mapping[str, bytes]
    keys: Mapping[str, bytes]
    issued: bytes


def new_authority(settings: Settings, ids: Ids) -> bytes:
    """Keys and certificates of a new root and its issuing authority, as `authority_file` holds them."""
    return store.pem_of_authorities(make_authorities(settings, ids))


def certify_servers(
    authority: Path, settings: Settings, hosts: Mapping[str, Sequence[str]], clock: Clock, ids: Ids
) -> MadeServers:
    """A new key and a certificate for each server; `hosts`: the names and addresses that clients call it by.
    AuthorityUnusable."""
    by = store.authorities_of(authority)
    at = addresses_of(settings, 1)
    begins = (clock.now() - BACKDATE).replace(microsecond=0)
    chains, keys, issued = {}, {}, []
    for name, called in hosts.items():
        order = CertificateOrder(
            profile=Profile.SERVER,
            common_name=name,
            not_before=begins,
            not_after=begins + timedelta(days=settings.system_days),
            hosts=tuple(called),
        )
        key = domain.new_key(domain.KeyKind.P256)
        serial = domain.serial_from(ids.token())
        made = domain.build_certificate(by.issuing, key.public_key(), order, serial, at)
        chains[name] = domain.pem_of([made, by.issuing.certificate]).encode()
        keys[name] = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        issued.append(made)
    root = domain.pem_of([by.root.certificate]).encode()
    return MadeServers(root, chains, keys, domain.pem_of(issued).encode())
