"""Every repository test runs on each database of the kit."""

from tests.store_kit import database, strict_database

__all__ = ["database", "strict_database"]
