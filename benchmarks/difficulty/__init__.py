"""How fast difficulty is measured, and what a kill costs: `python -m benchmarks.difficulty`."""
