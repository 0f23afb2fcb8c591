"""How fast, beside the named peer, measured in the same run: `python -m benchmarks --official-python PATH`."""
