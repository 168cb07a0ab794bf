"""Where the files of dataflows lie."""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import conf

from aep_provider.errors import AepConfigError


def specs_folder(given: str | None) -> Path:
    """
    Return the folder with the dataflows' files: the one given, Airflow's setting, or the one beside the DAGs folder.

    :raises AepConfigError: there is no such folder.
    """
    told = given or conf.get("aep", "dataflows_folder", fallback=None)
    folder = Path(told) if told else Path(conf.get("core", "dags_folder")).parent / "include" / "dataflows"
    if not folder.is_dir():
        raise AepConfigError(
            f"There is no folder {folder}: name the one with the dataflows' files, or set dataflows_folder in the section [aep] "
            "of Airflow's configuration."
        )
    return folder
