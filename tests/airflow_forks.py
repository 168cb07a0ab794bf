"""
The command ``airflow``, started for little: one process imports it once, and forks for each command.

Called with the path of a socket it serves, in the environment in which the commands shall run. :func:`shim` writes the command
that asks it.
"""

from __future__ import annotations

import importlib
import json
import os
import socket
import sys
from pathlib import Path

_MOST_BYTES = 1 << 20
_IMPORTED_LATE = (
    "aep_provider.cli.apply", "aep_provider.cli.export", "aep_provider.cli.plan", "aep_provider.cli.rotate",
    "aep_provider.cli.runs", "aep_provider.cli.scaffold", "aep_provider.hooks.aep", "airflow.cli.commands.backfill_command",
    "airflow.cli.commands.dag_command",
)  # fmt: skip
_SHIM = """\
#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asked:
    asked.connect({address!r})
    request = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
    socket.send_fds(asked, [request], [0, 1, 2])
    sys.exit(int(asked.recv(64) or 70))
"""


def shim(folder: Path, address: Path) -> None:
    """Write ``airflow`` into a folder, for the front of a ``PATH``."""
    folder.mkdir(parents=True, exist_ok=True)
    command = folder / "airflow"
    command.write_text(_SHIM.format(python=sys.executable, address=str(address)), encoding="utf-8")
    command.chmod(0o755)


def serve(address: str) -> None:
    """Fork for each command, one after another, until this process is ended."""
    import airflow.__main__
    from airflow.cli import cli_parser

    cli_parser.get_parser()
    for name in _IMPORTED_LATE:
        importlib.import_module(name)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(address)
        listener.listen()
        while True:
            asked, _ = listener.accept()
            with asked:
                request, files, _, _ = socket.recv_fds(asked, _MOST_BYTES, 3)
                pid = os.fork()
                if pid == 0:
                    arguments, folder, environment = json.loads(request)
                    for number, file in enumerate(files):
                        os.dup2(file, number)
                    os.chdir(folder)
                    os.environ.clear()
                    os.environ.update(environment)
                    sys.argv = ["airflow", *arguments]
                    # as the command itself would end
                    sys.exit(airflow.__main__.main())
                for file in files:
                    os.close(file)
                _, status = os.waitpid(pid, 0)
                asked.send(str(os.waitstatus_to_exitcode(status)).encode())


if __name__ == "__main__":
    serve(sys.argv[1])
