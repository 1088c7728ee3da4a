"""A mail server that keeps what it is sent instead of delivering it, and a page to read it on."""
