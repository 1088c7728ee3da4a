"""The whole product on one machine: Azurite, the sandbox and the functions host as processes."""
