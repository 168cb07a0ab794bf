"""Builds what is handed out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from environment import ROOT, clean_environment

PACKAGES = {"aep_provider": ROOT / "plugins" / "aep_provider", "aep_local": ROOT / "include" / "aep_local"}


def build(target: str, folder: Path, source: Path = ROOT) -> Path:
    """Build the ``wheel`` or the ``sdist`` of a source tree into a folder, as ``make dist`` does; the file."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    subprocess.run(
        command, cwd=source, env=clean_environment(), check=True, capture_output=True, text=True, timeout=120
    )
    (made,) = folder.glob("*.whl" if target == "wheel" else "*.tar.gz")
    return made
