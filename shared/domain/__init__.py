"""Frozen data and pure rules: no I/O, standard library only."""
