"""The testers' product: one-process composition, demo, benchmarks, the egov command."""
