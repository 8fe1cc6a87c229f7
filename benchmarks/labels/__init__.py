"""How good the labels of difficulty are: `python -m benchmarks.labels`."""
