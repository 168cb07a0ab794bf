"""The command ``aep-local``, or how to install what it needs."""

from __future__ import annotations

_EXTRA = ("duckdb", "fastapi", "lark", "uvicorn")
"""What the extra ``local`` brings and the provider does without."""


def main() -> int:
    """Run the command; 1 with a line about the extra ``local`` where that is not installed."""
    try:
        from aep_local.cli import main as run  # noqa: PLC0415  (its imports may be missing)
    except ModuleNotFoundError as missing:
        if missing.name not in _EXTRA:
            raise
        raise SystemExit(
            f"aep-local needs {missing.name}, which is not installed: pip install 'airflow-provider-aep[local]'"
        ) from None
    return run()
