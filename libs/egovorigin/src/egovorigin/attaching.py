"""Files of an application while it is worked on: checked, sealed and kept with it until it is sent."""

from __future__ import annotations

import asyncio

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.files import Attachment, describe, require_room
from egovorigin.origin import AnyOrigin


async def seal(origin: AnyOrigin, case_id: str, name: str, upload: tuple[str, bytes]) -> tuple[Attachment, bytes]:
    """The facts of an uploaded file and its sealed bytes, or EgovError attachment.*. `upload`: media type, content."""
    media_type, content = upload
    facts = await asyncio.to_thread(describe, name, media_type, content)
    return facts, await asyncio.to_thread(origin.sealer.seal, content, aad(case_id, facts.sha256))


async def put(conn: AsyncConnection, origin: AnyOrigin, case_id: str, facts: Attachment, sealed: bytes) -> None:
    """Keeps it with the application, in the place of one of the same name; EgovError where there is no room."""
    require_room(await origin.files.attachments_of(conn, case_id), facts)
    await origin.files.put_attachment(conn, case_id, facts, sealed, origin.clock.now())


def aad(case_id: str, sha256: str) -> bytes:
    """What a sealed file belongs to: it opens in no other case and under no other hash."""
    return f"{case_id}/{sha256}".encode()
