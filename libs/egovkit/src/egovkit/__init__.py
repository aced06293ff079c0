"""The bus kit: envelopes, signatures, bus, database, outbox, HTTP. It knows no law."""
