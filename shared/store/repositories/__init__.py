"""Repositories: `get` raises NotFoundError, `find` returns None, lists are pages."""
