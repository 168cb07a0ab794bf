"""A local AEP for the benchmarks, and our client to it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aep_provider.platform.client import AepClient
from aep_provider.platform.settings import AepSettings

ORG = "BENCH@AdobeOrg"


@contextmanager
def local_aep(folder: Path, state: Path, *options: str) -> Iterator[str]:
    """Serve a folder of tables; the address."""
    command = [sys.executable, "-m", "aep_local.cli", "serve", "--tables", str(folder), "--state", str(state), *options]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert server.stdout is not None
        for line in server.stdout:
            if line.startswith("ready "):
                yield line.split()[1]
                break
    finally:
        server.terminate()
        server.wait(30)


def our_client(url: str) -> AepClient:
    """Our client, for one thread or many."""
    token_url = f"{url}/ims/token/v3"
    return AepClient(
        AepSettings.parse(
            gateway=url, ims_org_id=ORG, client_id="ours", client_secret="ours-secret", token_url=token_url
        )
    )
