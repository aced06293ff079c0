"""The same twin on PostgreSQL, two processes at once."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from egovkit.db import Database
from nuc_mock.settings import Settings

pytestmark = pytest.mark.connected


async def test_two_replicas_issue_and_revoke_together_and_no_list_forgets_anybody(
    start: Any, tmp_path: Path, postgres_url: str
) -> None:
    settings = Settings(home=tmp_path, db_url=postgres_url)
    other = Settings(home=tmp_path, db_url=postgres_url, instance="2")
    async with start(settings) as one, start(other) as two:
        people = await asyncio.gather(*(twin.person() for twin in (one, two) * 4))
        await asyncio.gather(
            *((one, two)[n % 2].revoke(person["serial"], "superseded") for n, person in enumerate(people))
        )
        crl = x509.load_der_x509_crl((await one.http.get("/crl")).content)
        assert {entry.serial_number for entry in crl} == {int(person["serial"], 16) for person in people}
        assert (await two.http.get("/crl")).headers["etag"] == (await one.http.get("/crl")).headers["etag"]
        assert (await two.revoke(people[0]["serial"], "superseded")).status_code == 409


async def test_postgresql_too_refuses_to_change_the_audit(start: Any, tmp_path: Path, postgres_url: str) -> None:
    async with start(Settings(home=tmp_path, db_url=postgres_url)):
        db = Database(postgres_url)
        for change in ("UPDATE journal SET kind = 'step'", "DELETE FROM journal"):
            with pytest.raises(DBAPIError, match="append-only"):
                async with db.begin() as conn:
                    await conn.execute(text(change))
        await db.close()
