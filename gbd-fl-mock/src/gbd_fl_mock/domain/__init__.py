"""Rules of the person register. Pure."""
