"""ПЭП, the citizen's portal."""
