"""How fast, how large, how correct: `python -m benchmarks NAME`, each against others."""
