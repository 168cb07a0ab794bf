"""Commands as their argument parsers describe them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

from airflow.cli.cli_config import ActionCommand, GroupCommand

from aep_local.cli import _parser as aep_local_parser
from aep_provider.cli.definition import get_commands


def commands() -> Iterator[str]:
    """Return every command of `airflow aep` and `aep-local`, in reStructuredText."""
    for group in get_commands():
        for command in group.subcommands if isinstance(group, GroupCommand) else ():
            yield from _command(_airflow_parser(group.name, command))
    (choices,) = [one for one in aep_local_parser()._actions if isinstance(one, argparse._SubParsersAction)]
    told = {one.dest: str(one.help) for one in choices._choices_actions}
    for name, parser in choices.choices.items():
        parser.description = f"{told[name][:1].upper()}{told[name][1:]}."
        yield from _command(parser)


def _airflow_parser(group: str, command: ActionCommand | GroupCommand) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(f"airflow {group} {command.name}", description=command.description or command.help)
    for argument in command.args if isinstance(command, ActionCommand) else ():
        argument.add_to_parser(parser)
    return parser


def _command(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield f"{parser.prog}\n{'-' * len(parser.prog)}"
    text, _, statuses = (parser.description or "").partition("Exit status:\n")
    yield plain(text.strip())
    yield _block(parser.format_usage().strip())
    for action in parser._actions:
        if not isinstance(action, argparse._HelpAction):
            value = action.metavar or (action.dest.upper() if action.nargs != 0 else "")
            names = [f"{option} {value if action.nargs != 0 else ''}".strip() for option in action.option_strings]
            yield f".. describe:: {', '.join(names) or value}\n\n   {plain(action.help or '')}"
    if statuses:
        yield "Exit status:\n\n" + "\n".join(
            f"- ``{line.split()[0]}``: {plain(' '.join(line.split()[1:]))}" for line in statuses.strip().splitlines()
        )


def plain(text: str) -> str:
    """Text that is no markup, whatever signs are in it."""
    return re.sub(r"([\\`*_|])", r"\\\1", text)


def _block(text: str) -> str:
    return ".. code-block:: text\n\n" + "\n".join(f"   {line}" for line in text.splitlines())
