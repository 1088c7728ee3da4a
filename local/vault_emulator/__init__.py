"""An emulator of Key Vault's secrets, over TLS, for tests of the real client."""
