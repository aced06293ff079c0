"""The authority's keys and the secrets that are made at the first start, as files. Everything here blocks.

A key lies with its certificate in an encrypted PKCS#12 file that is opened by the port of all systems' keys
(`egovkit.signatures.custody`); one password, in a file of its own, is that of all of them.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from egovkit.private_files import read_private
from egovkit.settings import read_secret
from egovkit.signatures.custody import KeyFile
from egovkit.signatures.keys import SigningKey
from nuc_mock import domain
from nuc_mock.domain import Authority

ROOT, ISSUING = "root", "issuing"
SHORTEST_SECRET = 16  # characters; anything shorter could be guessed

_OPEN_KEY = re.compile(b"-----BEGIN PRIVATE KEY-----.+?-----END PRIVATE KEY-----\n", re.S)


class AuthorityUnusable(Exception):
    """The key files and the database don't belong together, or can't be read; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Authorities:
    root: Authority
    issuing: Authority

    def by_name(self, name: str) -> Authority:
        return self.root if name == ROOT else self.issuing


class KeyFiles:
    """The keys in `folder`; `password` is the file with what opens them, `token` makes the names of drafts unique.

    A file appears whole or not at all, so that a crash or a second process starting at the same moment never leaves
    half of one: the loser of a race takes the winner's. EgovError of `KeyFile`, AuthorityUnusable.
    """

    def __init__(self, folder: Path, password: Path, token: Callable[[], str]) -> None:
        self._folder, self._password, self._token = folder, password, token

    def path_of(self, name: str) -> Path:
        return self._folder / f"{name}.p12"

    def authorities(self, make: Callable[[], Authorities]) -> Authorities:
        """Root and issuing authority; made by `make` when there are none. They are written beside the folder and moved
        into place as one."""
        if not self._folder.exists():
            made = make()
            draft = self._folder.with_name(f".{self._folder.name}-{self._token()}")
            draft.mkdir(parents=True, mode=0o700)
            try:
                for name in (ROOT, ISSUING):
                    write_secret(draft / f"{name}.p12", sealed(made.by_name(name), name, self._password))
                _sync_folder(draft)
                draft.rename(self._folder)
                _sync_folder(self._folder.parent)
            except OSError:
                shutil.rmtree(draft, ignore_errors=True)
                if not self._folder.exists():
                    raise
        return authorities_of(self.path_of(ROOT), self.path_of(ISSUING), self._password)

    def service(self, name: str, make: Callable[[], Authority]) -> Authority:
        """A later key of the issuing authority, or that of one of its services; made by `make` when it is not there."""
        if not self.path_of(name).exists():
            self._keep(name, make())
        return certificate_and_key(self.path_of(name), self._password)

    def encrypt_open(self) -> None:
        """Keys that an older version has left in the open get their encrypted files; then the open ones go."""
        for path in sorted(self._folder.glob("*.pem")):
            name = path.name.removesuffix(".pem").removesuffix(".key")
            with suppress(FileNotFoundError):  # another process is doing the same
                content, beside = read_private(path), self._folder / f"{name}.cer"
                if beside.exists():
                    content += domain.pem_of([x509.load_der_x509_certificate(beside.read_bytes())]).encode()
                self._keep(name, _open_authority(content))
                path.unlink()
                beside.unlink(missing_ok=True)

    def _keep(self, name: str, authority: Authority) -> None:
        _appear(self.path_of(name), sealed(authority, name, self._password), self._token())


def certificate_and_key(path: Path, password: Path) -> Authority:
    """EgovError of `KeyFile`; AuthorityUnusable where the file is not there."""
    try:
        held = KeyFile(path, password).signing_key()
    except FileNotFoundError as error:
        raise AuthorityUnusable(f"the file {error.filename} is missing; put it back") from None
    return Authority(held.certificate, held.private_key)


def sealed(authority: Authority, name: str, password: Path) -> bytes:
    """PKCS#12 with AES-256 under the password that the file holds."""
    return SigningKey(authority.key, authority.certificate).to_pkcs12(read_secret(password), name)


def authorities_of(root: Path, issuing: Path, password: Path) -> Authorities:
    """The two of two files. Errors as of `certificate_and_key`; AuthorityUnusable when one is not the other's."""
    found = Authorities(certificate_and_key(root, password), certificate_and_key(issuing, password))
    if found.issuing.certificate.issuer != found.root.certificate.subject:
        raise AuthorityUnusable(f"the authority in {issuing} is not under the one in {root}")
    return found


def open_authorities(pem: bytes) -> Authorities:
    """The two as an older version wrote them into one secret: the root's key and certificate, then the issuing
    authority's. ValueError."""
    keys, certificates = _OPEN_KEY.findall(pem), x509.load_pem_x509_certificates(pem)
    pairs = zip(keys, certificates, strict=True)
    root, issuing = (_open_authority(key + domain.pem_of([one]).encode()) for key, one in pairs)
    return Authorities(root, issuing)


def check_same_authority(kept: Authorities, given: Authorities) -> None:
    """AuthorityUnusable where the one that certified the servers is another than the one that was kept: nobody would
    trust them."""
    if given.root.certificate != kept.root.certificate:
        raise AuthorityUnusable(
            "the authority that certified the servers is not the one this service has been since its first start"
        )


def load_or_make_secret(path: Path, make: Callable[[], str], *, may_make: bool) -> str:
    """A token or password; made at the first start unless the operator named a file."""
    if may_make and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
            draft = Path(folder, path.name)
            write_secret(draft, make().encode())
            with suppress(FileExistsError):  # another start was first, and its secret is the one
                os.link(draft, path)
    try:
        secret = read_private(path).decode("utf-8").strip()
    except OSError as error:
        raise AuthorityUnusable(f"the secret {path} can't be read: {error}") from None
    if len(secret) < SHORTEST_SECRET:
        raise AuthorityUnusable(f"the secret in {path} is shorter than {SHORTEST_SECRET} characters")
    return secret


def write_secret(path: Path, content: bytes) -> None:
    """A new file only its owner can read, on disk when this returns."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _appear(path: Path, content: bytes, token: str) -> None:
    """Whole or not at all; a file that is there stays."""
    draft = path.with_name(f".{path.name}-{token}")
    write_secret(draft, content)
    try:
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
    _sync_folder(path.parent)


def _open_authority(pem: bytes) -> Authority:
    """A key and its certificate, both PEM. ValueError."""
    key, certificate = load_pem_private_key(pem, password=None), x509.load_pem_x509_certificate(pem)
    if not isinstance(key, domain.AuthorityKey):
        raise ValueError("a key of no kind that an authority has")
    return Authority(certificate, key)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
