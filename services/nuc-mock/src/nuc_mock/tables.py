"""The authority's own database; seen by the store alone."""

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, String, Table, Text

from egovkit.db import BigId, UtcDateTime, idempotency_table, journal_tables

metadata = MetaData()

# The audit: every issue, hold, release, revocation and list, chained by hash; never updated.
journal = journal_tables(metadata)
idempotency = idempotency_table(metadata)

# One row per authority (root, issuing). Whoever changes what its list says holds this row first.
authorities = Table(
    "authorities",
    metadata,
    Column("name", String(16), primary_key=True),
    Column("thumbprint", String(43), nullable=False),  # of the key files this database belongs to
    Column("crl_number", BigInteger, nullable=False),  # 0 = no list yet
    Column("crl", LargeBinary),
    Column("crl_sha256", String(64)),
    Column("this_update", UtcDateTime),
    Column("next_update", UtcDateTime),
    # The latest complete list that was made by time alone, and the one before it: whoever holds one of them, or any
    # between, needs only the changes since the older.
    Column("last_base", BigInteger, nullable=False, server_default="0"),
    Column("base_before", BigInteger, nullable=False, server_default="0"),
)

# The issuing authority's keys after the first, which is `authorities.issuing`.
generations = Table(
    "generations",
    metadata,
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("thumbprint", String(43), nullable=False),  # of the certificate
    Column("since", UtcDateTime, nullable=False),
)

# What is published beside the complete list of today's key, with it and of the same number: the changes alone, and both
# signed by each older key.
other_lists = Table(
    "other_lists",
    metadata,
    Column("name", String(24), primary_key=True),  # crl-1, delta-1, delta-2…: kind and generation
    Column("der", LargeBinary, nullable=False),
)

# Every time stamp that was given: its row is its serial number, which no other one ever has.
stamps = Table(
    "stamps",
    metadata,
    Column("serial", BigId, primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False),
    Column("digest", String(8), nullable=False),
    Column("imprint", LargeBinary, nullable=False),
    sqlite_autoincrement=True,  # also not that of a row somebody deleted
)

certificates = Table(
    "certificates",
    metadata,
    Column("position", BigId, primary_key=True, autoincrement=True),  # order of issue, for paging
    Column("serial", String(40), nullable=False, unique=True),
    Column("thumbprint", String(43), nullable=False, unique=True),
    Column("profile", String(32), nullable=False),
    Column("key", String(16), nullable=False),
    Column("common_name", String(64), nullable=False),
    Column("iin", String(12), index=True),
    Column("bin", String(12), index=True),
    Column("oddities", Text, nullable=False),  # JSON array of words; [] = in НУЦ's form
    Column("not_before", UtcDateTime, nullable=False),
    Column("not_after", UtcDateTime, nullable=False),
    Column("issued_at", UtcDateTime, nullable=False),
    Column("der", LargeBinary, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("version", Integer, nullable=False),  # compare-and-set
    Column("listed_at", UtcDateTime),  # NULL = not on the revocation list
    Column("reason", String(32)),
    Column("generation", Integer, nullable=False, server_default="1"),  # the issuing key that signed it
    Column("changed_in", BigInteger),  # the number of the list that first told of its state; NULL = no list ever did
    Column("renews", String(40)),  # serial number of the certificate it continues
)
