"""A system of each role that keeps the rules: what an integrator may begin with, and what certification is tested by."""
