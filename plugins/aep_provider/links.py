"""
From a task to the pages of its flow, flow run and dataset in AEP.

Airflow shows links that it finds among a task's XComs, and pushes them itself only when a leg of the task ends.
:func:`publish_links` pushes them as soon as the ids are known, so that they are there while the task waits, when it failed,
and when the trigger ends it.

Where a page is, the section ``[aep]`` of Airflow's configuration says: ``flow_url``, ``flow_run_url`` and ``dataset_url``,
with the placeholders ``{tenant}``, ``{sandbox}``, ``{org}``, ``{flow_id}``, ``{run_id}`` and ``{dataset_id}``. An empty one
switches its link off. ``ui_tenant`` is the organisation's name in AEP's addresses (``experience.adobe.com/#/@tenant``); by
default it is the organisation's id. The defaults are addresses that Adobe's documents print as examples. Adobe does not
promise them, and nobody has confirmed them.
"""

from __future__ import annotations

import logging
import re
from functools import cache
from string import Formatter
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink, conf

from aep_provider.errors import one_line

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context
    from airflow.sdk.types import TaskInstanceKey

__all__ = ["AepDatasetLink", "AepFlowLink", "AepFlowRunLink", "link_urls", "named_urls", "publish_links"]

log = logging.getLogger(__name__)

_UI: Final = "https://experience.adobe.com/#/@{tenant}/sname:{sandbox}/platform"
_PLACEHOLDERS: Final = ("tenant", "sandbox", "org", "flow_id", "run_id", "dataset_id")
# Https and a host that is spelled out: neither a placeholder nor a password can be in it.
_ADDRESS: Final = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?([/?#][\x21-\x5b\x5d-\x7e]*)?")

_published: dict[Any, dict[str, str]] = {}
"""What this process has pushed, by task instance: that need be neither read nor pushed again."""


class Place(Protocol):
    """Where in AEP the objects are; the settings of a hook or a client say it."""

    @property
    def sandbox(self) -> str: ...
    @property
    def ims_org_id(self) -> str: ...


class HasSettings(Protocol):
    """A hook, or a client."""

    @property
    def settings(self) -> Place: ...


class _AepLink(BaseOperatorLink):
    option: ClassVar[str]
    default: ClassVar[str]
    id_field: ClassVar[str]

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002  Airflow's signature
        """Return what was published, or nothing. The worker pushes the answer again, so it must not lose a good link."""
        from airflow.providers.common.compat.sdk import XCom  # noqa: PLC0415  only in a worker

        try:
            mine = _published.get(getattr(ti_key, "id", None), {})
            found = mine.get(self.xcom_key) or XCom.get_value(ti_key=ti_key, key=self.xcom_key)
        except Exception as error:
            log.warning("The link %r could not be read: %s", self.name, type(error).__name__)
            return ""
        return found if isinstance(found, str) and found.startswith("https://") else ""


class AepFlowLink(_AepLink):
    """The page of a flow."""

    name = "Flow in AEP"
    option = "flow_url"
    default = f"{_UI}/source/dataflows/{{flow_id}}/activity"
    id_field = "flow_id"


class AepFlowRunLink(_AepLink):
    """The page of a flow run."""

    name = "Flow run in AEP"
    option = "flow_run_url"
    default = f"{_UI}/source/dataflows/{{flow_id}}/activity/{{run_id}}"
    id_field = "run_id"


class AepDatasetLink(_AepLink):
    """The page of a dataset."""

    name = "Dataset in AEP"
    option = "dataset_url"
    default = f"{_UI}/dataset/browse/{{dataset_id}}"
    id_field = "dataset_id"


_LINKS: Final = (AepFlowLink(), AepFlowRunLink(), AepDatasetLink())


def publish_links(
    context: Context,
    hook: HasSettings,
    *,
    flow_id: str | None = None,
    run_id: str | None = None,
    dataset_id: str | None = None,
) -> None:
    """
    Let the task's links lead to these objects from now on. Never raises, and sends nothing to AEP.

    May be called as often as one likes: only what is new is pushed, and a link that is there stays if its id is not given.

    :param hook: the hook in use, or anything else whose ``settings`` tell sandbox and organisation.
    """
    try:
        task_instance: Any = context["ti"]
        known = getattr(task_instance, "id", None)
        before = {} if known is None else _published.setdefault(known, {})
        urls = link_urls(hook.settings, flow_id=flow_id, run_id=run_id, dataset_id=dataset_id)
        for key, url in urls.items():
            if before.get(key) != url:
                task_instance.xcom_push(key=key, value=url)
                before[key] = url
    except Exception as error:
        log.warning("The links to AEP could not be published: %s", type(error).__name__)


def link_urls(
    settings: Place, *, flow_id: str | None = None, run_id: str | None = None, dataset_id: str | None = None
) -> dict[str, str]:
    """
    Return the addresses by XCom key, for a trigger that ends the task itself: ``TaskSuccessEvent(xcoms=…)``.

    What is not known is not in it.
    """
    return {link.xcom_key: url for link, url in _urls(settings, flow_id, run_id, dataset_id)}


def named_urls(
    settings: Place, *, flow_id: str | None = None, run_id: str | None = None, dataset_id: str | None = None
) -> dict[str, str]:
    """Return the addresses by the names of their links, to be read by people."""
    return {link.name: url for link, url in _urls(settings, flow_id, run_id, dataset_id)}


def _urls(
    settings: Place, flow_id: str | None, run_id: str | None, dataset_id: str | None
) -> list[tuple[_AepLink, str]]:
    values = {
        "tenant": (_configured("ui_tenant", "") or "").removeprefix("@") or settings.ims_org_id,
        "sandbox": settings.sandbox,
        "org": settings.ims_org_id,
        "flow_id": flow_id,
        "run_id": run_id,
        "dataset_id": dataset_id,
    }
    # AEP's own addresses have the @ of an organisation's id as it is.
    quoted = {name: quote(str(value or "").strip(), safe="@", errors="replace") for name, value in values.items()}
    return [(link, url) for link in _LINKS if quoted[link.id_field] and (url := _filled(link, quoted))]


def _filled(link: _AepLink, values: dict[str, str]) -> str | None:
    template = _configured(link.option, link.default)
    if not template:
        return None
    flaw = _flaw(template)
    if flaw:
        _warn(link.option, flaw)
        return None
    wanted = {field for _, field, _, _ in Formatter().parse(template) if field}
    return template.format_map(values) if all(values[field] for field in wanted) else None


def _configured(option: str, default: str) -> str | None:
    try:
        return str(conf.get("aep", option, fallback=default)).strip()
    except Exception:
        _warn(option, "cannot be read")
        return None


def _flaw(template: str) -> str | None:
    if not _ADDRESS.fullmatch(template):
        return "does not begin with https:// and a host, or has a password, blanks or other than ASCII characters"
    try:
        parts = list(Formatter().parse(template))
    except ValueError:
        return "has braces that do not belong together"
    for _, field, form, conversion in parts:
        if field is not None and (field not in _PLACEHOLDERS or form or conversion):
            return f"has {{{one_line(field, 50)}}}, which is none of {', '.join(_PLACEHOLDERS)} or has a format"
    return None


@cache
def _warn(option: str, flaw: str) -> None:
    # The template is not quoted: a password may stand in it.
    log.warning("%s in the section [aep] of Airflow's configuration %s, so no link is made with it", option, flaw)
