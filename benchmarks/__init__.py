"""How fast rpclab is beside what one would pick instead: `python -m benchmarks`."""
