"""The law as data: catalogue of regulations, flow, order and limits. Pure; only the loader reads files."""
