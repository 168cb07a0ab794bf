"""The environment in which Airflow runs here: this project's own, with nothing of the user's shell in it.

`make run`, `make up` and the tests all take it from here. As a program, it runs a command in the environment of
`make up`: `.venv/bin/python scripts/environment.py airflow dags list`.
"""

from __future__ import annotations

import base64
import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / ".airflow"
BIN = Path(sys.executable).parent

_LOOPBACK = "127.0.0.1,localhost,::1"
_FOREIGN = ("AIRFLOW", "_AIRFLOW", "OPENLINEAGE", "PYTHON")


def clean_environment() -> dict[str, str]:
    """The user's environment without what would change Airflow, OpenLineage or Python, and with no proxy before loopback."""
    environment = {name: value for name, value in os.environ.items() if not name.upper().startswith(_FOREIGN)}
    environment["PATH"] = os.pathsep.join([str(BIN), environment.get("PATH", os.defpath)])
    environment["PYTHONUTF8"] = "1"
    for name in ("NO_PROXY", "no_proxy"):
        environment[name] = ",".join(filter(None, [environment.get(name), _LOOPBACK]))
    return environment


def airflow_environment(home: Path = HOME, *, port: int = 8080) -> dict[str, str]:
    """`clean_environment` and Airflow's settings: its home, SQLite, this project's DAGs and plugins, loopback only.

    :param home: Airflow's home: configuration, database and logs.
    :param port: where the API server listens, if one is started.
    """
    settings = {
        "CORE__DAGS_FOLDER": ROOT / "dags",
        "CORE__PLUGINS_FOLDER": ROOT / "plugins",
        "CORE__LOAD_EXAMPLES": False,
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": False,
        "CORE__EXECUTOR": "LocalExecutor",
        # SQLite: at 16 and more, "database is locked" ends the scheduler.
        "CORE__PARALLELISM": 8,
        "CORE__MAX_ACTIVE_TASKS_PER_DAG": 8,
        # Five minutes suit a service far away; here a retry that can help helps at once.
        "CORE__DEFAULT_TASK_RETRY_DELAY": 5,
        "CORE__TEST_CONNECTION": "Enabled",
        "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": True,
        "CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "API__HOST": "127.0.0.1",
        "API__PORT": port,
        "API__BASE_URL": f"http://127.0.0.1:{port}",
        "API__WORKERS": 1,
        # All parts write to one file, and on a busy machine wait longer for each other than the default of 5 s.
        "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db?timeout=60",
        "LOGGING__BASE_LOG_FOLDER": home / "logs",
        "DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": home / "bundles",
        # A chain of short tasks takes 2 s with this and 8 s with the default of 1 s.
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": 0.1,
        # Otherwise a finished task holds its slot for about 5 s.
        "WORKERS__MIN_HEARTBEAT_INTERVAL": 1,
        "USAGE_DATA_COLLECTION__ENABLED": False,
    }
    _make_secrets(home)
    environment = clean_environment() | {f"AIRFLOW__{name}": str(value) for name, value in settings.items()}
    return environment | {"AIRFLOW_HOME": str(home)}


def _make_secrets(home: Path) -> None:
    """Write Airflow's own keys once, for all its parts: started together, each would make up its own."""
    config = home / "airflow.cfg"
    if config.exists():
        return
    keys = {"core": "fernet_key", "api": "secret_key", "api_auth": "jwt_secret"}
    sections = [
        f"[{name}]\n{key} = {base64.urlsafe_b64encode(os.urandom(32)).decode()}\n" for name, key in keys.items()
    ]
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=home, encoding="utf-8") as draft:  # readable by its owner only
        draft.write("\n".join(sections))
        draft.flush()
        with suppress(FileExistsError):
            os.link(draft.name, config)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit("usage: environment.py COMMAND [ARGUMENT …]")
    os.execvpe(sys.argv[1], sys.argv[1:], airflow_environment())  # noqa: S606  (replaces this process on purpose)
