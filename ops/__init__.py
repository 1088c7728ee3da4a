"""Operator commands: `python -m ops --help`. A composition root of its own."""
