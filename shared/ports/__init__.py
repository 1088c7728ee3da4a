"""Protocols for the edges that have a network or two real implementations behind them."""
