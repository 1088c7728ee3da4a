"""SQL: tables, repositories and the unit of work. Only `database` is cheap to import."""
