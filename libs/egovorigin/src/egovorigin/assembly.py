"""An origin's parts out of its node: all of them but what it alone has."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

from egovkit.attachments import AttachmentStore, GatewayAttachments
from egovkit.contracts import read_once
from egovkit.ids import Ids
from egovkit.node import Node
from egovkit.pdf import DocumentPages
from egovkit.settings import read_secret
from egovkit.signatures.pdf import revocation_lists
from egovkit.signatures.sealing import Sealer
from egovlaw.catalogue import Catalogue
from egovlaw.outputs import load_outputs
from egovorigin.domain.keyring import Keyring
from egovorigin.passwords import Passwords
from egovorigin.settings import OriginSettings


def shared_parts(
    node: Node, settings: OriginSettings, catalogue: Catalogue, attachments: AttachmentStore | None
) -> dict[str, Any]:
    """What `origin.Origin` is made of, but for its three stores. `attachments` stands in for ШЭП's store in tests."""
    keyring = Keyring.of(node.code, secret_of(settings.secret_path, node.ids))
    store = attachments or GatewayAttachments(
        node.http,
        node.key,
        node.clock,
        node.ids,
        base_url=settings.shep_url,
        source=node.code,
        timeout_s=settings.attachment_timeout_s,
    )
    return {
        "settings": settings,
        "db": node.db,
        "clock": node.clock,
        "ids": node.ids,
        "catalogue": catalogue,
        "key": node.key,
        "journal": node.journal,
        "outbox": node.outbox,
        "membership": node.membership,
        "trust": node.trust,
        "signatures": node.signatures,
        "sealer": Sealer(keyring.sealing),
        "keyring": keyring,
        "passwords": Passwords(settings),
        "attachments": store,
        "outputs": read_once(load_outputs, node.contracts, catalogue),
        "pages": DocumentPages(),
        "revocation": partial(revocation_lists, node.http, settings.nuc_url),
    }


def secret_of(path: Path, ids: Ids) -> str:
    """The origin's secret, made at first start where the operators have given none. Whoever loses it cannot open the
    files of unsent applications any more."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{ids.token(6)}")
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(ids.token())
        try:
            os.link(draft, path)  # of two processes starting together one wins, whole; the other reads it
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return read_secret(path)
