"""The commands that Airflow's command line gets from this provider. Every ``airflow`` command imports this module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand, lazy_load_command

if TYPE_CHECKING:
    from airflow.cli.cli_config import CLICommand

_PLAN = """\
Says what would be done to bring AEP to what the dataflows' files declare: per object create, update in place, replace, \
drifted or unchanged, field by field and with the cause; what a replace means for rows; and what this package made that no file \
declares. Writes nothing, and needs no more than the permission to read. The same input gives the same text.

Exit status:
  0  nothing to do
  1  there is no plan, or not for every dataflow
  2  something to do, or to decide (a usage error has status 2, too)"""

_APPLY = """\
Plans, shows the plan, asks whether it is meant, and carries it out: in the order in which objects need each other, side by side \
where they do not. It can be stopped at any point (Ctrl-C) and done again.

Drift made by hand stops it, unless --overwrite says to undo it; a plan by which rows would come twice or be missed needs \
--accept. With --plan a plan that was kept is applied, if it still is the one that would be made.

Exit status:
  0  everything is as declared now
  1  it is not (a usage error has status 2)"""

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


_ROTATE = """\
Sends the credentials that an Airflow connection holds now to AEP's base connections that stand on it. They are tried on a \
connection of their own first: wrong ones never replace right ones.

Exit status:
  0  AEP logs in with all of them
  1  it does not (a usage error has status 2)"""

_EXPORT = """\
Writes a file for each dataflow that a sandbox holds, whoever made it: a plan right after has nothing to do. What cannot be \
exported is listed with the reason. Reads only; files that are there are kept, unless they are to be replaced.

Exit status:
  0  every dataflow has its file
  1  it could not be found out, or nothing could be written
  2  something was left out (a usage error has status 2, too)"""

_SCAFFOLD = """\
Writes a first file for a table, with a delta column proposed and the columns that AEP reports. Makes nothing in AEP, but for \
the base connection where that is asked for: AEP reports columns over one only."""

_DESTROY = """\
Takes dataflows down in the order that AEP demands: the flow, then its connections. Dataset, schema and base connection go only \
when asked for, and only if nothing else uses them; what this package did not make is never touched. It can be stopped at any \
point and done again. Shows what goes and asks for the sandbox's name first.

Exit status:
  0  it is gone, or with --dry-run: this is what would go
  1  it is not (a usage error has status 2)"""

_FOLDER_HELP = (
    "Folder with the dataflows' files, by default the setting aep.dataflows_folder, or include/dataflows beside the DAGs "
    "folder"
)
_FOLDER = Arg(("folder",), nargs="?", metavar="DIR", type=str, help=_FOLDER_HELP)
_SPECS = Arg(("--specs",), metavar="FOLDER", type=str, help=_FOLDER_HELP)
_SANDBOX = Arg(
    ("--sandbox",), metavar="SANDBOX", type=str,
    help="Read the files for this sandbox; without, each file says for which it is",
)  # fmt: skip
_NAME = Arg(
    ("--name",), dest="names", action="append", metavar="NAME", type=str,
    help="Only this dataflow; may be given several times",
)  # fmt: skip
_CONN_ID = Arg(
    ("--conn-id",), metavar="CONN_ID", type=str, default="aep_default",
    help="Airflow connection of the type aep (default: aep_default)",
)  # fmt: skip
_OUT = Arg(
    ("--out",),
    metavar="FOLDER",
    type=str,
    help="Where files are written, by default the folder of the dataflows' files",
)
_ITS_SANDBOX = Arg(("--sandbox",), metavar="SANDBOX", type=str, help="Another sandbox than the connection's")
_OVERWRITE = Arg(
    ("--overwrite",), action="store_true", help="Undo what was edited by hand, where it is not as declared"
)
# Airflow keeps its log off the standard output of commands that have an `output`.
_JSON = Arg(("--json",), dest="output", action="store_true", help="Print JSON")


def get_commands() -> list[CLICommand]:
    """Return ``airflow aep`` with its commands; what they do is imported when one is called."""
    return [
        GroupCommand(
            name="aep",
            help="Dataflows of Adobe Experience Platform",
            subcommands=[_plan(), _apply(), _runs(), _export(), _scaffold(), _rotate(), _destroy()],
        )
    ]


def _plan() -> ActionCommand:
    return ActionCommand(
        name="plan",
        help="What would be done to bring AEP to what is declared",
        description=_PLAN,
        func=lazy_load_command("aep_provider.cli.plan.plan"),
        args=[
            _FOLDER,
            _SANDBOX,
            _NAME,
            _OVERWRITE,
            Arg(("--out",), metavar="FILE", type=str, help="Keep the plan in this file, for apply --plan"),
            _JSON,
        ],
    )


def _apply() -> ActionCommand:
    return ActionCommand(
        name="apply",
        help="Bring AEP to what is declared",
        description=_APPLY,
        func=lazy_load_command("aep_provider.cli.apply.apply"),
        args=[
            _FOLDER,
            _SANDBOX,
            _NAME,
            _OVERWRITE,
            Arg(("--accept",), action="store_true", help="Accept that rows come twice or are missed, as the plan says"),
            Arg(("--plan",), metavar="FILE", type=str, help="Apply the plan that was kept in this file, without asking"),
            Arg(("--yes",), action="store_true", help="Do not ask"),
            Arg(
                ("--parallel",), metavar="NUMBER", type=int, default=4,
                help="How many dataflows are worked on side by side (default: 4)",
            ),
            _JSON,
        ],
    )  # fmt: skip


def _runs() -> ActionCommand:
    return ActionCommand(
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
                help="First moment of the range: a date (its midnight) or an ISO 8601 date and time. Without an offset it is "
                "read in the time zone of the dataflow's schedule, without one of those in UTC",
            ),
            Arg(
                ("--to",),
                metavar="MOMENT",
                type=str,
                help="The moment after its last one, read the same way: --to 2026-02-01 ends with January",
            ),
            _SPECS,
            _SANDBOX,
            _JSON,
        ],
    )


def _rotate() -> ActionCommand:
    return ActionCommand(
        name="rotate",
        help="Give AEP the new credentials of a source system",
        description=_ROTATE,
        func=lazy_load_command("aep_provider.cli.rotate.rotate"),
        args=[
            Arg(("conn_ids",), nargs="+", metavar="CONN_ID", type=str, help="Airflow connections of source systems"),
            _SPECS,
            _SANDBOX,
            Arg(
                ("--adopt",),
                action="store_true",
                help="Also where somebody else made the base connection, or edited it",
            ),
        ],
    )


def _export() -> ActionCommand:
    return ActionCommand(
        name="export",
        help="Write files for the dataflows that AEP holds",
        description=_EXPORT,
        func=lazy_load_command("aep_provider.cli.export.export"),
        args=[
            _CONN_ID,
            _ITS_SANDBOX,
            _NAME,
            _OUT,
            Arg(("--force",), action="store_true", help="Replace files that are there and say something else"),
        ],
    )


def _scaffold() -> ActionCommand:
    return ActionCommand(
        name="scaffold",
        help="Write a first file for a table",
        description=_SCAFFOLD,
        func=lazy_load_command("aep_provider.cli.scaffold.scaffold"),
        args=[
            Arg(("--table",), metavar="TABLE", type=str, required=True, help="As the source system calls it"),
            Arg(("--source",), metavar="SOURCE", type=str, required=True, help="The source system, such as servicenow"),
            Arg(
                ("--source-conn-id",), metavar="CONN_ID", type=str,
                help="Airflow connection with the source system's address and credentials",
            ),
            Arg(
                ("--base-connection",), metavar="NAME", type=str,
                help="Name of the base connection in AEP; without --source-conn-id, of one that others made",
            ),
            Arg(("--name",), metavar="NAME", type=str, help="Of the dataflow, by default after source and table"),
            Arg(("--existing-schema",), metavar="SCHEMA", type=str, help="Title or $id of the schema that rows land in"),
            Arg(("--mapping",), action="store_true", help="Write the mapping out, too"),
            Arg(
                ("--create-base-connection",), action="store_true",
                help="Make the base connection if it is not there: nothing else is ever made",
            ),
            _CONN_ID,
            _ITS_SANDBOX,
            _OUT,
        ],
    )  # fmt: skip


def _destroy() -> ActionCommand:
    return ActionCommand(
        name="destroy",
        help="Take dataflows down",
        description=_DESTROY,
        func=lazy_load_command("aep_provider.cli.destroy.destroy"),
        args=[
            Arg(("names",), nargs="*", metavar="NAME", type=str, help="Of dataflows, as in their files or in AEP"),
            Arg(("--orphans",), action="store_true", help="Also what this package made and no file declares"),
            Arg(("--with-dataset",), action="store_true", help="The dataset as well, with its rows"),
            Arg(("--with-schema",), action="store_true", help="The schema as well, with the field group of its columns"),
            Arg(("--with-base-connection",), action="store_true", help="The base connection as well"),
            Arg(
                ("--all-generations",), action="store_true",
                help="Earlier flows of the dataflow as well: which windows they loaded cannot be told any more then",
            ),
            Arg(("--dry-run",), action="store_true", help="Only show what would go"),
            Arg(("--yes",), action="store_true", help="Do not ask"),
            Arg(("--conn-id",), metavar="CONN_ID", type=str, help="By default that of the files, or aep_default"),
            Arg(("--sandbox",), metavar="SANDBOX", type=str, help="By default that of the files, or the connection's"),
            _SPECS,
        ],
    )  # fmt: skip
