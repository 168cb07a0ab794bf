"""
The page of dataflows, where this folder is all that Airflow has of the provider.

An installed ``airflow-provider-aep`` brings the page by its own entry point. Airflow would call a second plugin of that name
an error, so here is none then.
"""

from importlib.metadata import entry_points

if not any(found.value.startswith("aep_provider.") for found in entry_points(group="airflow.plugins")):
    from aep_provider.ui.plugin import AepPlugin

    __all__ = ["AepPlugin"]
