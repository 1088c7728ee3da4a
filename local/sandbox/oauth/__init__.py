"""An authorization server's parts (RFC 6749, RFC 7636), from which each provider's own is built."""
