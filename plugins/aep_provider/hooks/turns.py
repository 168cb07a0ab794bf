"""Threads of a task talk to Airflow one after another."""

from __future__ import annotations

from threading import RLock

# A worker's line to its supervisor bears threads. That of ``airflow dags test`` does not: while it answers one of them, the
# others find no line at all (Airflow 3.3).
AIRFLOW = RLock()
"""Held while a thread asks Airflow for a connection or a task's state, or tells it something to keep."""
