"""A provider of the tests' own: an adapter and an emulator as anybody would write them.

Both are single files that stand on their own, so that a test can put copies of them where the
product and the sandbox look for theirs.
"""
