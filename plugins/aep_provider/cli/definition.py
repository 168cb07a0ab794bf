"""The commands that Airflow's command line gets from this provider. Every ``airflow`` command imports this module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand, lazy_load_command

if TYPE_CHECKING:
    from airflow.cli.cli_config import CLICommand

_RUNS = """\
Says which windows of a range succeeded, partly succeeded, failed, still run or never ran, from what AEP reports, over all \
flows that loaded a dataflow. Reads only.

The windows are those that Airflow makes of the schedule in the dataflow's file. A window that reaches into the range is shown \
whole, and counts as far as it lies in the range. What nobody loaded is a gap, what was loaded more than once an overlap (its \
rows are there twice).

Exit status:
  0  complete: all that is due was loaded, and nothing twice
  1  it could not be found out
  2  a gap, an overlap, a failed window, more rejected rows than the dataflow's policy bears, or a run that goes on
  3  it cannot be told, for there are runs that do not tell their window (a usage error has status 2, too)"""


def get_commands() -> list[CLICommand]:
    """Return ``airflow aep`` with its commands; what they do is imported when one is called."""
    return [
        GroupCommand(
            name="aep",
            help="Dataflows of Adobe Experience Platform",
            subcommands=[
                ActionCommand(
                    name="runs",
                    help="Which windows of a range were loaded",
                    description=_RUNS,
                    func=lazy_load_command("aep_provider.cli.runs.runs"),
                    args=[
                        Arg(("names",), nargs="*", metavar="NAME", type=str, help="Names of dataflows, all by default"),
                        Arg(
                            ("--from",),
                            dest="from_",
                            metavar="MOMENT",
                            type=str,
                            help="First moment of the range: a date (its midnight) or an ISO 8601 date and time. Without an "
                            "offset it is read in the time zone of the dataflow's schedule, without one of those in UTC",
                        ),
                        Arg(
                            ("--to",),
                            metavar="MOMENT",
                            type=str,
                            help="The moment after its last one, read the same way: --to 2026-02-01 ends with January",
                        ),
                        Arg(
                            ("--specs",),
                            metavar="FOLDER",
                            type=str,
                            help="Folder with the dataflows' files, by default the setting aep.dataflows_folder, or "
                            "include/dataflows beside the DAGs folder",
                        ),
                        # Airflow keeps its log off the standard output of commands that have an `output`.
                        Arg(("--json",), dest="output", action="store_true", help="Print JSON"),
                    ],
                ),
            ],
        )
    ]
