"""What all operators share: how they reach AEP, how they make sure of an object, and what they publish."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from threading import Event
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from aep_provider.errors import AepError
from aep_provider.hooks.turns import AIRFLOW
from aep_provider.links import publish_links
from aep_provider.operators.rendered import text, truth
from aep_provider.provider_info import DEFAULT_CONN_ID
from aep_provider.resources.ensure import ensure
from aep_provider.resources.resource import Action, IfExists, Outcome, Resource

if TYPE_CHECKING:
    from airflow.sdk import Context

    from aep_provider.hooks.aep import AepHook
    from aep_provider.platform.client import AepClient

XCOM_ETAG = "etag"
XCOM_NAME = "name"
XCOM_CREATED = "created"
XCOM_ACTION = "action"


@contextmanager
def final_errors_end_the_task() -> Generator[None]:
    """What repeating cannot mend fails the task at once, without using up its retries. The cause stays attached."""
    try:
        yield
    except AepError as error:
        if error.final:
            raise AirflowFailException(str(error)) from error
        raise


class TaskMemory:
    """Keeps an intent in Airflow's task state, which outlives the try that had it (XComs do not)."""

    def __init__(self, context: Context, kind: str) -> None:
        self._store = context["task_state_store"]
        self._key = f"aep_intent_{kind.replace(' ', '_')}"

    def recall(self) -> Mapping[str, Any] | None:
        """Return what an earlier try of this task remembered."""
        with AIRFLOW:
            note = self._store.get(self._key)
        return note if isinstance(note, dict) else None

    def remember(self, note: Mapping[str, Any]) -> None:
        """Keep ``note`` for later tries."""
        with AIRFLOW:
            self._store.set(self._key, dict(note))


class ReachesAep:
    """A task that reaches AEP through an Airflow connection."""

    aep_conn_id: str
    sandbox: str | None

    def hook(self) -> AepHook:
        """Return a hook; use it in a ``with`` block."""
        # The hook brings requests and aiohttp along, which a parse of a DAG file need not wait for.
        from aep_provider.hooks.aep import AepHook  # noqa: PLC0415

        return AepHook(self.aep_conn_id, text(self.sandbox), caller=type(self).__name__)


class StopsInOrder:
    """A task of many requests, which ends in order when it is stopped."""

    _stop: Event | None = None

    def stopping(self) -> Event:
        """Return what is set once nothing further may be begun."""
        self._stop = Event()
        return self._stop

    def on_kill(self) -> None:
        """Begin nothing further. What is under way ends, as far as Airflow waits for it."""
        if self._stop:
            self._stop.set()


class AepBaseOperator(ReachesAep, BaseOperator):
    """
    Base of all operators for AEP.

    :param aep_conn_id: the Airflow connection of the type ``aep``.
    :param sandbox: another sandbox than the connection's.
    """

    template_fields: Sequence[str] = ("aep_conn_id", "sandbox")
    ui_color: str = "#fbe6e4"

    def __init__(self, *, aep_conn_id: str = DEFAULT_CONN_ID, sandbox: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.aep_conn_id = aep_conn_id
        self.sandbox = sandbox

    def execute(self, context: Context) -> Any:
        """Do the step with a client of its own and return its id."""
        with final_errors_end_the_task(), self.hook() as hook:
            try:
                return self.run_step(context, hook)
            finally:
                self.log.info("Requests sent to AEP: %d", hook.client.requests_sent)
                publish(context, requests=hook.client.requests_sent)

    def run_step(self, context: Context, hook: AepHook) -> Any:
        """Do what the operator is for."""
        raise NotImplementedError


class AepEnsureOperator(AepBaseOperator):
    """
    Base of the operators that make sure of one object.

    :param if_exists: what to do with an object of the same name: ``reuse`` it if it is what is wanted and fail otherwise,
        ``update`` it where AEP lets one, or ``fail``.
    :param adopt: let ``update`` change what somebody else made, or edited by hand since.
    """

    template_fields: Sequence[str] = (*AepBaseOperator.template_fields, "if_exists", "adopt")

    def __init__(self, *, if_exists: str = IfExists.REUSE, adopt: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.if_exists = if_exists
        self.adopt = adopt

    link_to: ClassVar[str | None] = None
    """Which id of :func:`~aep_provider.links.publish_links` the object's is, if it has a page in AEP."""

    def resource(self, client: AepClient, hook: AepHook) -> Resource:
        """Return the object that should be there, from the rendered fields."""
        raise NotImplementedError

    def run_step(self, context: Context, hook: AepHook) -> str:
        outcome = self.ensured(context, self.resource(hook.client, hook))
        if self.link_to:
            publish_links(context, hook, **{self.link_to: outcome.id})
        publish_outcome(context, outcome)
        return outcome.id

    def ensured(self, context: Context, resource: Resource) -> Outcome:
        """Make sure of ``resource``, with the intent kept in the task's state."""
        memory = TaskMemory(context, resource.kind)
        adopt = truth(self.adopt, "adopt") is True
        return ensure(resource, if_exists=self.if_exists, adopt=adopt, memory=memory)


def publish(context: Context, **values: Any) -> None:
    """Push each value as an XCom under its own key."""
    for key, value in values.items():
        context["ti"].xcom_push(key=key, value=value)


def publish_outcome(context: Context, outcome: Outcome) -> None:
    """Push what became of an object: ``name``, ``etag``, ``action`` and whether it was ``created``."""
    publish(
        context,
        **{
            XCOM_NAME: outcome.name,
            XCOM_ETAG: outcome.etag,
            XCOM_ACTION: outcome.action.value,
            XCOM_CREATED: outcome.action is Action.CREATED,
        },
    )
