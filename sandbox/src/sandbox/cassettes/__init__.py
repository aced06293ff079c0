"""Record and replay of the broker: what a system said and was told, kept in a file, and said again in its place."""
