"""A system of each role that keeps the rules: where to begin from, and what the certification is tested by."""
