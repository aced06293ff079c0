"""What a partner keeps of its membership: one folder, whose key never leaves it.

key.pem           the private key, PKCS#8, for its owner alone
request.csr       PKCS#10, for the operator
certificate.pem   of НУЦ; chain.pem the authority above it
root.cer          whom to trust
partner.json      who we are, and where
old/              keys and certificates before the last rotation
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from egovkit.contracts import contracts_dir, contracts_version
from egovkit.errors import EgovError
from egovkit.private_files import read_private
from sandbox.bootstrap import pems, write_private
from sandbox.composition import NUC, RSHEP, SHEP
from sandbox.enrolment import Wish

if TYPE_CHECKING:
    from egovkit.signatures.keys import PrivateKey, SigningKey

KEY, REQUEST, CERTIFICATE, CHAIN = "key.pem", "request.csr", "certificate.pem", "chain.pem"
ROOT, ABOUT, OLD, NEXT = "root.cer", "partner.json", "old", "next"


class FolderUnusable(Exception):
    """The folder is not what is needed; says why and what to do."""


@dataclass(frozen=True, slots=True)
class Ours:
    """Who we are, and where the doors are (`urls` by service code)."""

    wish: Wish
    urls: Mapping[str, str]

    @property
    def door_url(self) -> str:
        return self.urls[self.wish.door]


@dataclass(frozen=True, slots=True)
class Folder:
    path: Path

    def request(self, code: str) -> str:
        """The PKCS#10 request; key and request are made once, and kept."""
        from egovkit.signatures.keys import csr, load_private_key, new_private_key, private_pem

        if not (self.path / KEY).exists():
            write_private(self.path / KEY, private_pem(new_private_key()))
        made = csr(load_private_key((self.path / KEY).read_bytes()), code)
        if not (self.path / REQUEST).exists():
            (self.path / REQUEST).write_bytes(made)
        return (self.path / REQUEST).read_text()

    def keep(self, issued: Mapping[str, Any], wish: Wish, urls: Mapping[str, str]) -> None:
        """All that came back from the operators."""
        self.path.mkdir(parents=True, exist_ok=True)
        issuing, root = pems(issued["chain"])[:2]
        (self.path / CERTIFICATE).write_text(issued["certificate"])
        (self.path / CHAIN).write_text(issuing.strip() + "\n")
        (self.path / ROOT).write_text(root.strip() + "\n")
        about = {
            "contracts": contracts_version(contracts_dir()),
            **asdict(wish),
            "door": wish.door,
            "urls": {code: urls[code] for code in (NUC, SHEP, RSHEP) if code in urls},
        }
        (self.path / ABOUT).write_text(json.dumps(about, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")

    def ours(self) -> Ours:
        """FolderUnusable when there is no partner in it."""
        try:
            about = json.loads((self.path / ABOUT).read_text(encoding="utf-8"))
            about.pop("door")
            urls, theirs = about.pop("urls"), about.pop("contracts")
            regions, services = (tuple(about.pop(name)) for name in ("regions", "services"))
            ours = Ours(Wish(**about, regions=regions, services=services), urls)
        except FileNotFoundError:
            raise FolderUnusable(f"{self.path} holds no partner ({ABOUT}): make one by `egov partner join`") from None
        except (ValueError, KeyError, TypeError) as error:
            raise FolderUnusable(f"{self.path / ABOUT} is not what `egov partner join` wrote ({error})") from None
        if theirs != (known := contracts_version(contracts_dir())):
            raise FolderUnusable(f"{self.path} was made for the contracts of version {theirs}, this egov has {known}")
        return ours

    def key(self) -> SigningKey:
        """The key with its certificate. FolderUnusable when one of both is not there, or they are not a pair."""
        from egovkit.signatures.certificates import load_certificate, load_certificates
        from egovkit.signatures.keys import SigningKey

        try:
            certificate = load_certificate((self.path / CERTIFICATE).read_bytes())
            chain = load_certificates((self.path / CHAIN).read_bytes())
            return SigningKey(self._private(), certificate, chain)
        except FileNotFoundError as error:
            raise FolderUnusable(
                f"{error.filename} is not there: the folder of a partner has key and certificate"
            ) from None
        except EgovError as error:
            raise FolderUnusable(f"{self.path / KEY} is not yours alone ({error}): chmod 600") from None
        except ValueError as error:
            raise FolderUnusable(f"key and certificate of {self.path} cannot be used: {error}") from None

    def _private(self) -> PrivateKey:
        from egovkit.signatures.keys import load_private_key

        return load_private_key(read_private(self.path / KEY))

    def next(self) -> Folder:
        """Where the next key is prepared."""
        return Folder(self.path / NEXT)

    def turn(self) -> None:
        """The next key and certificate become the present ones; the present ones are kept under their thumbprint."""
        before = self.path / OLD / self.key().thumbprint
        before.mkdir(parents=True, mode=0o700)
        for name in (KEY, REQUEST, CERTIFICATE, CHAIN):
            (self.path / name).rename(before / name)
            (self.next().path / name).rename(self.path / name)
        for left in self.next().path.iterdir():
            left.unlink()
        self.next().path.rmdir()
