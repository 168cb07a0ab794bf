"""Starting a failed run again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aep_provider.operators.base import AepBaseOperator, TaskMemory, publish
from aep_provider.resources.retrigger import retrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

    from aep_provider.hooks.aep import AepHook


class AepRetriggerFlowRunOperator(AepBaseOperator):
    """
    Start a failed run again over the window that it had. AEP makes a new run; wait for it with the sensor.

    :param run_id: id of the failed run.

    *Idempotency*: what was started is remembered in the task's state: a retry, and a cleared task too, takes the same new
    run. After an answer that never came it is looked for before anything is sent again.

    *XCom*: ``return_value`` is the id of the new run; ``created``, ``requests``.
    """

    template_fields: Sequence[str] = (*AepBaseOperator.template_fields, "run_id")

    def __init__(self, *, run_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.run_id = run_id

    def run_step(self, context: Context, hook: AepHook) -> str:
        new, started = retrigger(hook.client, self.run_id, memory=TaskMemory(context, "retrigger"))
        self.log.info("Run %s %s as run %s", self.run_id, "was started again" if started else "goes on", new)
        publish(context, created=started)
        return new
