"""``airflow aep apply``: bring sandboxes to what is declared."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, current_thread, main_thread
from typing import TYPE_CHECKING, Any

from aep_provider.cli.intents import Intents
from aep_provider.cli.progress import shown
from aep_provider.cli.sandboxes import Place, places, told
from aep_provider.dataflows.apply import Applied, Options, apply_plan, refuse, refuse_unfit
from aep_provider.dataflows.plan import Plan
from aep_provider.dataflows.plan_text import plan_text
from aep_provider.dataflows.planning import make_plan
from aep_provider.errors import AepConfigError, AepError, AepNotFoundError, one_line
from aep_provider.resources import flow, flow_service
from aep_provider.resources.ensure import Patience
from aep_provider.resources.flow import Flow
from aep_provider.resources.resource import Action

if TYPE_CHECKING:
    from argparse import Namespace

    from aep_provider.dataflows.chain import Sandbox
    from aep_provider.dataflows.progress import Progress
    from aep_provider.hooks.aep import AepHook

_LARGEST_PLAN = 64 * 1_048_576


def apply(args: Namespace) -> None:
    """
    Print each plan, ask whether it is meant, and carry it out.

    :raises SystemExit: 0 if all is as declared now, 1 if not.
    """
    wrong: list[str] = []
    done: list[dict[str, Any]] = []
    try:
        kept = _read_plans(args.plan) if args.plan else None
        found, wrong = places(args.folder, args.names or [], args.sandbox)
        if wrong:
            raise AepConfigError("Nothing is applied as long as a file cannot be read.")
        if kept is not None and set(kept) != {place.sandbox for place in found}:
            raise AepConfigError(
                f"{args.plan} is a plan for the sandboxes {', '.join(sorted(kept))}, but the files are for "
                f"{', '.join(sorted(place.sandbox for place in found))}: give the folder, the names and --sandbox that it was "
                "made with."
            )
        for place in found:
            plan_kept = kept[place.sandbox] if kept is not None else None
            done.append(told(lambda: _apply(place, plan_kept, args)))  # noqa: B023
            wrong += [f"{name}: {why}" for name, why in done[-1].get("failed", {}).items()]
            wrong += [f"{name}: stopped before it was done, apply again" for name in done[-1].get("left", [])]
    except AepError as error:
        wrong.append(str(error))
    if args.output:
        print(json.dumps({"sandboxes": done, **({"errors": wrong} if wrong else {})}, indent=1, ensure_ascii=False))
    for line in wrong:
        print(f"airflow aep apply: {line}", file=sys.stderr)
    raise SystemExit(1 if wrong else 0)


def _apply(place: Place, kept: Mapping[str, Any] | None, args: Namespace) -> dict[str, Any]:
    with place.hook("airflow-aep-apply") as hook:
        intents = Intents(hook.settings.ims_org_id, hook.settings.sandbox)
        overwrite = bool(kept.get("overwrite")) if kept is not None else args.overwrite
        whole = place.whole if kept is None else kept.get("orphans") is not None
        with shown(quiet=args.output) as how_far:
            sandbox = _look_around(place, hook, intents, Patience(), how_far)
            plan, planned = make_plan(
                place.specs, sandbox, whole=whole, overwrite=overwrite, workers=args.parallel, how_far=how_far
            )
        if kept is not None:
            refuse_unfit(kept, plan.document())
        if not args.output:
            print(plan_text(plan))
        refuse(plan, accept=args.accept)
        if not plan.has_work:
            return _document(plan, None)
        if kept is None and not args.yes:
            _ask(plan)
        with _stopped_by_a_signal() as stop, shown(quiet=args.output) as how_far:
            options = Options(
                accept=args.accept, workers=args.parallel, memory_for=intents.memory_for, how_far=how_far, stop=stop
            )
            applied = apply_plan(plan, planned, sandbox, options)
        if not (applied.failed or applied.left):
            intents.done(
                {
                    name: outcome.id
                    for (kind, name), outcome in applied.outcomes.items()
                    if kind == Flow.kind and outcome.action is Action.CREATED
                }
            )
        if not args.output:
            print(_summary(plan, applied))
        return _document(plan, applied)


def _look_around(
    place: Place, hook: AepHook, intents: Intents, patience: Patience, how_far: Progress | None
) -> Sandbox:
    """Look until AEP's lists show what the last apply made: of what they lack, a second one would be made."""
    made = intents.made_within(patience.settle_seconds)
    until = patience.now() + patience.settle_seconds
    told_so = False
    while True:
        sandbox = place.seen(hook, how_far)
        unlisted = [
            name
            for name, flow_id in made.items()
            if not sandbox.inventory.by_id(Flow, flow_id) and _is_there(hook, flow_id)
        ]
        if not unlisted or patience.now() >= until:
            return sandbox
        if not told_so:
            print(f"{unlisted[0]} was made just now: waiting until AEP lists it", file=sys.stderr)
            told_so = True
        patience.sleep(patience.look_every_seconds)


def _is_there(hook: AepHook, flow_id: str) -> bool:
    try:
        flow_service.read(hook.client, flow.COLLECTION, flow_id)
    except AepNotFoundError:
        return False
    return True


def _read_plans(path: str) -> dict[str, Mapping[str, Any]]:
    """The plans of a file, by sandbox."""
    try:
        file = Path(path)
        if file.stat().st_size > _LARGEST_PLAN:
            raise AepConfigError(f"{path} is larger than any plan.")
        held = json.loads(file.read_text(encoding="utf-8"))
        plans = held["plans"]
        if not all(one["plan"] == 1 and one["digest"] for one in plans):
            raise ValueError("another kind of plan")
        return {one["sandbox"]: one for one in plans}
    except OSError as error:
        raise AepConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise AepConfigError(f"{path} is no plan: make one with `airflow aep plan --out {path}`.") from error


def _ask(plan: Plan) -> None:
    if not sys.stdin.isatty():
        raise AepConfigError("Nobody is there to ask: give --yes, or a plan that was looked at (--plan).")
    answer = input(
        f"Apply this to sandbox {one_line(plan.sandbox, 100)} of {one_line(plan.organisation, 100)}? Only yes does: "
    )
    if answer.strip() != "yes":
        raise AepConfigError("Nothing was applied.")


@contextmanager
def _stopped_by_a_signal() -> Iterator[Event]:
    """The first Ctrl-C lets end what was begun; the second one does not wait."""
    stop = Event()
    if current_thread() is not main_thread():
        yield stop
        return

    def on_signal(number: int, _: object) -> None:
        print("\nStops when the requests that are under way have ended.", file=sys.stderr)
        stop.set()
        signal.signal(number, signal.default_int_handler)

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _summary(plan: Plan, applied: Applied) -> str:
    actions: dict[str, int] = {}
    for outcome in applied.outcomes.values():
        actions[outcome.action] = actions.get(outcome.action, 0) + 1
    told_actions = ", ".join(f"{count} {action}" for action, count in sorted(actions.items())) or "nothing to do"
    rest = [
        f"{len(names)} dataflows {word}"
        for names, word in ((applied.failed, "failed"), (applied.left, "left"))
        if names
    ]
    return f"Applied to sandbox {one_line(plan.sandbox, 100)}: {'; '.join([told_actions, *rest])}."


def _document(plan: Plan, applied: Applied | None) -> dict[str, Any]:
    told_of: dict[str, Any] = {
        "organisation": plan.organisation,
        "sandbox": plan.sandbox,
        "plan": plan.document()["digest"],
    }
    if applied is None:
        return {**told_of, "done": []}
    done: Sequence[Mapping[str, Any]] = [
        {"kind": kind, "name": name, "action": outcome.action, "id": outcome.id}
        for (kind, name), outcome in applied.outcomes.items()
    ]
    return {**told_of, "done": done, "failed": applied.failed, "left": applied.left}
