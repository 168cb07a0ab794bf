"""``airflow aep destroy``: take dataflows down."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aep_provider.cli.progress import shown
from aep_provider.cli.sandboxes import Place, told
from aep_provider.dataflows.chain import Sandbox
from aep_provider.dataflows.destroy import Extent, Kept, Names, Takedown, takedown
from aep_provider.dataflows.destroying import carry_out, path_of
from aep_provider.dataflows.plan import Step
from aep_provider.dataflows.planning import make_plan
from aep_provider.dataflows.progress import Progress
from aep_provider.dataflows.reading.load import Loaded, load_folder
from aep_provider.dataflows.spec import DataflowSpec, Policy
from aep_provider.errors import AepConfigError, AepError, one_line
from aep_provider.hooks.aep import AepHook
from aep_provider.provider_info import DEFAULT_CONN_ID
from aep_provider.resources.ensure import Patience
from aep_provider.resources.flow import Flow
from aep_provider.resources.names import nearest
from aep_provider.specs_folder import specs_folder

if TYPE_CHECKING:
    from argparse import Namespace


def destroy(args: Namespace) -> None:
    """
    Print what goes and what stays, ask whether it is meant, and take it down.

    :raises SystemExit: 0 if it is gone, or would go with ``--dry-run``; 1 if not.
    """
    try:
        told(lambda: _destroy(args))
    except AepError as error:
        wrong = str(error)
    except KeyboardInterrupt:
        wrong = "Stopped. What is gone is gone; do it again to go on."
    else:
        raise SystemExit(0)
    print(f"airflow aep destroy: {wrong}", file=sys.stderr)
    raise SystemExit(1)


@dataclass(frozen=True)
class _Order:
    """
    What somebody wants taken down, and where.

    :param declared: all that is declared there; None if that is not known.
    :param specs: those that were named.
    """

    place: Place
    names: Sequence[Names]
    specs: Sequence[DataflowSpec]
    declared: Sequence[DataflowSpec] | None
    extent: Extent

    @classmethod
    def read(cls, args: Namespace) -> _Order:
        """
        Return what the arguments and the files say.

        :raises AepConfigError: they do not say where, or not what.
        """
        if not (args.names or args.orphans):
            raise AepConfigError("Name the dataflows to take down, or give --orphans.")
        loaded = _loaded(args)
        by_name = {spec.slug: spec for spec in loaded.specs} | {spec.name: spec for spec in loaded.specs}
        specs = [by_name[name] for name in args.names if name in by_name]
        if len(specs) < len(args.names):
            for error in loaded.wrong:
                print(f"airflow aep destroy: {error}", file=sys.stderr)
        names = [Names.of(by_name[name]) if name in by_name else Names.usual(name) for name in args.names]
        place = _place(args, loaded.specs if args.orphans else specs)
        extent = Extent(
            dataset=args.with_dataset,
            schema=args.with_schema,
            base_connection=args.with_base_connection,
            all_generations=args.all_generations,
        )
        return cls(place, names, specs, _all_declared(loaded) if args.orphans else None, extent)

    def look(self, hook: AepHook) -> tuple[Takedown, Sandbox]:
        """Return what goes and what stays, as AEP is now."""
        with shown() as how_far:
            sandbox = self.place.seen(hook, how_far)
            orphans = self._orphans(sandbox, how_far)
        return takedown(sandbox.inventory, self.names, self.extent, orphans), sandbox

    def _orphans(self, sandbox: Sandbox, how_far: Progress | None) -> Sequence[Step]:
        if self.declared is None:
            return ()
        plan, _ = make_plan(self.declared, sandbox, whole=True, how_far=how_far)
        if plan.orphans is None:
            wrong = "; ".join(f"{name}: {why}" for name, why in plan.errors)
            raise AepConfigError(f"What is orphaned cannot be told as long as there is no plan: {wrong}")
        return plan.orphans

    @property
    def timeout(self) -> float:
        """How long to wait for the runs of a flow, seconds."""
        return max((spec.policy.timeout for spec in self.specs), default=Policy().timeout)


def _loaded(args: Namespace) -> Loaded:
    """A dataflow that no file declares is taken down all the same."""
    try:
        folder = specs_folder(args.specs)
    except AepConfigError:
        if args.specs or args.orphans:
            raise
        return Loaded()
    return load_folder(folder, sandbox=args.sandbox)


def _all_declared(loaded: Loaded) -> Sequence[DataflowSpec]:
    if loaded.wrong:
        raise AepConfigError(
            f"What is orphaned cannot be told as long as a file cannot be read: {'; '.join(map(str, loaded.wrong))}"
        )
    if not loaded.specs:
        raise AepConfigError(
            "No file declares any dataflow, so that everything would be orphaned: name the folder with --specs, or name the "
            "dataflows to take down."
        )
    return loaded.specs


def _place(args: Namespace, specs: Sequence[DataflowSpec]) -> Place:
    sandboxes = sorted({spec.sandbox for spec in specs})
    conn_ids = sorted({args.conn_id} if args.conn_id else {spec.aep_conn_id for spec in specs} or {DEFAULT_CONN_ID})
    if len(sandboxes) > 1:
        raise AepConfigError(f"The files are for the sandboxes {', '.join(sandboxes)}: say which one with --sandbox.")
    if len(conn_ids) > 1:
        raise AepConfigError(
            f"The files have the Airflow connections {', '.join(conn_ids)}: say which one with --conn-id."
        )
    return Place(conn_ids[0], args.sandbox or next(iter(sandboxes), ""), specs, whole=False)


def _destroy(args: Namespace) -> None:
    order = _Order.read(args)
    with order.place.hook("airflow-aep-destroy") as hook:
        found, sandbox = order.look(hook)
        for line in _lines(found, order, sandbox):
            print(line)
        if found.goes and not args.dry_run:
            if not args.yes:
                _ask(found, hook.client.settings.sandbox)
                if order.look(hook)[0] != found:
                    raise AepConfigError(
                        "What is there has changed meanwhile, and nothing was deleted: look at it again."
                    )
            with shown() as how_far:
                carry_out(
                    hook.client, found.goes, patience=Patience(), timeout=order.timeout, progress=_tell, how_far=how_far
                )
    _tell_foreign(found)


def _tell(text: str) -> None:
    print(one_line(text, 400), flush=True)


def _lines(found: Takedown, order: _Order, sandbox: Sandbox) -> Iterator[str]:
    settings = sandbox.client.settings
    yield f"Organisation {one_line(settings.ims_org_id, 100)}, sandbox {one_line(settings.sandbox, 100)}"
    for number, one in enumerate(found.goes, 1):
        rows = ", with its rows" if one.kind.kind == "dataset" else ""
        yield f"{number:>4}  {one.kind.kind:<17}  {one_line(one.name, 200)} ({one.id}){rows}"
    if not found.goes:
        yield "There is nothing to take down."
    for kept in found.stays:
        by_hand = f"; by hand: {_by_hand(kept)}" if kept.foreign else ""
        yield f"stays  {kept.kind.kind:<16}  {one_line(kept.name, 200)} ({kept.id}): {one_line(kept.reason)}{by_hand}"
    flows = [str(flow.get("name")) for flow in sandbox.inventory.documents[Flow]]
    known = {(one.kind, one.name) for one in found.goes} | {(one.kind, one.name) for one in found.stays}
    for names in order.names:
        if not known & {(kind, name) for kind, name in names.by_kind().items() if name}:
            near = nearest(names.flow, flows) if flows else ""
            yield f"There is nothing of {names.flow!r} in the sandbox (any more).{near}"


def _by_hand(kept: Kept) -> str:
    delete = f"DELETE {path_of(kept.kind, kept.id)}"
    return f"disable it, wait for its runs, then {delete}" if kept.kind is Flow else delete


def _tell_foreign(found: Takedown) -> None:
    """Whoever named it thinks that it goes."""
    foreign = [kept for kept in found.stays if kept.foreign and kept.kind is Flow]
    if foreign:
        raise AepConfigError(
            f"The flow {foreign[0].name!r} ({foreign[0].id}) was made by somebody else, and this package deletes only what it "
            f"made itself. By hand: {_by_hand(foreign[0])}."
        )


def _ask(found: Takedown, sandbox: str) -> None:
    if not sys.stdin.isatty():
        raise AepConfigError("Nobody is there to ask, and nothing was deleted: give --yes.")
    answer = input(f"Type the sandbox's name ({one_line(sandbox, 100)}) to delete these {len(found.goes)} objects: ")
    if answer.strip() != sandbox:
        raise AepConfigError("Nothing was deleted.")
