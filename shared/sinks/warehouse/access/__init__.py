"""The way to a customer's SQL Server: who may be reached, with what words, and does it work."""
