"""Product code shared by the functions and the operator commands; start reading at
engine/sync.py.
"""
