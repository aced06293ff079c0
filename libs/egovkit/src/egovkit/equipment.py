"""What a node takes from its settings at the start: the keys, the files, the connection to the broker."""

from __future__ import annotations

from pathlib import Path

from egovkit.bus import Bus
from egovkit.clock import Clock
from egovkit.journal_bodies import Bodies
from egovkit.settings import ServiceSettings
from egovkit.signatures.certificates import Certificate, load_certificates
from egovkit.signatures.custody import KeyFile


def make_bus(settings: ServiceSettings, clock: Clock) -> Bus:
    """RabbitMQ by the settings; its client library is loaded only here, not in the embedded mode."""
    url = settings.broker_url
    if url is None:
        raise ValueError(f"{settings.code} needs a broker: set amqp_url, or give the node a bus")
    from egovkit.bus.rabbit import RabbitBus

    return RabbitBus(url, clock=clock)


def open_custody(settings: ServiceSettings) -> KeyFile:
    """The system's key in its encrypted PKCS#12 file; FileNotFoundError says which file is missing."""
    password = file_of(settings.keystore_password_file, "key store's password")
    return KeyFile(file_of(settings.keystore, "key store"), password)


def served_by(settings: ServiceSettings) -> Certificate | None:
    """What TLS clients are shown, where there is TLS."""
    file = settings.tls_certificate
    return None if file is None else load_certificates(file.read_bytes())[0]


def load_bodies(settings: ServiceSettings) -> Bodies:
    """What seals and opens the bodies of the service's journal; FileNotFoundError, ValueError say which file."""
    path = file_of(settings.journal_key_file, "journal key")
    try:
        return Bodies.of_file(path)
    except ValueError as error:
        raise ValueError(f"the journal key {path} is not 32 bytes in hex, one key a line") from error


def file_of(path: Path, what: str) -> Path:
    """The path of a file that has to be there; FileNotFoundError says what is missing."""
    if not path.is_file():
        raise FileNotFoundError(f"the {what} {path} is not there; it is issued by the operators before the start")
    return path
