"""The sync engine: no I/O of its own, everything comes through ports. Start at sync.py."""
