"""The kit adapters are written with; modules that need httpx are imported when one connects."""
