"""Use cases: functions that take the unit of work and the ports they need by keyword."""
