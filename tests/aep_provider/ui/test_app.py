"""Who may see the page, what it shows them, and that nothing on it can be anything but text."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from airflow import settings
from airflow.api_fastapi.app import get_auth_manager
from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from fastapi.routing import APIRoute

from aep_provider.errors import AepAuthenticationError, AepConnectError, AepPermissionError
from aep_provider.ui.app import create_app

from ..resources.watching import DAY, NOW
from .world import OBJECTS, WEEK, World, flow, run, snapshots, spec, whole_flow, window_run

Open = Callable[..., Any]
EVIL = "<script>alert('1')</script> \"quoted\" & 'q'"
ROUTES = list(create_app().routes)


@pytest.fixture
def dag() -> Iterator[Callable[[str], None]]:
    """Let Airflow know a DAG, with a run over each of the last days."""
    made: list[str] = []

    def known(dag_id: str, paused: bool = False) -> None:
        made.append(dag_id)
        with settings.Session() as session:
            session.merge(DagBundleModel(name="here"))
            session.add(DagModel(dag_id=dag_id, bundle_name="here", is_paused=paused, is_stale=False))
            session.flush()
            for start in WEEK:
                begin, end = (datetime.fromtimestamp(at, UTC) for at in (start, start + DAY))
                session.add(
                    DagRun(
                        dag_id=dag_id, run_id=f"scheduled__{end:%Y-%m-%dT%H:%M}", run_type="scheduled", state="success",
                        logical_date=begin, data_interval=(begin, end), run_after=end,
                    )
                )  # fmt: skip
            session.commit()

    yield known
    with settings.Session() as session:
        for dag_id in made:
            session.query(DagRun).filter(DagRun.dag_id == dag_id).delete()
            session.query(DagModel).filter(DagModel.dag_id == dag_id).delete()
        session.commit()


class TestAccess:
    """A route that is added without the checks fails here, whatever it is."""

    def paths(self) -> Iterator[str]:
        assert len(ROUTES) >= 3
        for route in ROUTES:
            assert isinstance(route, APIRoute), f"{route} is no plain route: a mount answers without any check"
            assert route.methods == {"GET"}, f"{route.path} does more than show"
            yield re.sub(r"\{[^}]+\}", "page.css", route.path) + "?name=one"

    def test_nobody_sees_anything_without_signing_in(self, open_page: Open) -> None:
        page = open_page(World([flow("one")]))
        for path in self.paths():
            answer = page.get(path, role="nobody")
            assert (answer.status_code, "one" in answer.text.replace("open", "")) == (401, False), path

    def test_nobody_sees_anything_without_permission(self, open_page: Open) -> None:
        page = open_page(World([flow("one")]))
        for path in self.paths():
            assert page.get(path, role=None).status_code == 403, path
            assert page.get(path, role="VIEWER").status_code == 200, path

    def test_reading_dags_is_needed_besides(self, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
        page = open_page(World([flow("one")]))
        monkeypatch.setattr(get_auth_manager(), "is_authorized_dag", lambda **asked: bool(asked.get("details")))
        for path in self.paths():
            # Permission for a DAG that the address names is none for the page.
            assert page.get(f"{path}&dag_id=mine").status_code == 403, path

    def test_a_false_or_old_token_is_none(self, open_page: Open) -> None:
        page = open_page(World())
        for path in self.paths():
            answer = page.client.get(f"/aep{path}", headers={"Authorization": "Bearer eyJhbGciOiJIUzUxMiJ9.e30.x"})
            assert answer.status_code in (401, 403), path

    def test_nothing_can_be_sent(self, open_page: Open) -> None:
        page = open_page(World())
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            for path in self.paths():
                assert page.client.request(method, f"/aep{path}", headers=page.headers("ADMIN")).status_code == 405

    def test_a_dataflow_whose_dag_may_not_be_read_is_not_there(
        self, open_page: Open, dag: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dag("aep_dataflow__secret_one")
        dag("aep_dataflow__open_one")
        page = open_page(World([flow("secret one"), flow("open one"), flow("no dag")]))
        monkeypatch.setattr(get_auth_manager(), "get_authorized_dag_ids", lambda **_: {"aep_dataflow__open_one"})
        text = page.get().text
        assert ("secret one" in text, "open one" in text, "no dag" in text) == (False, True, True)
        assert ">All <b>2</b>" in text
        assert page.get("/dataflow?name=secret one").status_code == 404


class TestPlaces:
    def test_only_what_is_configured_is_shown(self, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW__AEP__PAGE_CONNECTIONS", "aep_default, aep_default@stage")
        world = World([flow("one")])
        page = open_page(world)
        assert page.get("/?place=aep_default@stage").status_code == 200
        for place in ("aep_default@dev", "other", "aep_source_servicenow", "aep_default@stage@x"):
            asked = len(world.asked)
            assert page.get(f"/?place={place}").status_code == 404
            assert page.get(f"/dataflow?name=one&place={place}").status_code == 404
            assert len(world.asked) == asked

    @pytest.mark.parametrize(("told", "words"), [("", "No AEP connection may be shown"), ("a@B", "but must have ids")])
    def test_what_is_wrong_with_the_configuration_is_said(
        self, told: str, words: str, open_page: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW__AEP__PAGE_CONNECTIONS", told)
        answer = open_page(World()).get()
        assert answer.status_code == 500
        assert words in answer.text


class TestText:
    """Names come from AEP, where anybody may have made them."""

    def page(self, open_page: Open) -> Any:
        bad = run("r1", EVIL, NOW - DAY, NOW - DAY + 9, error=("<i>CODE</i>", f"</p>{EVIL}"))
        return open_page(World([whole_flow(EVIL, state="<u>odd</u>")], [bad]), spec("declared"))

    def test_every_text_is_escaped(self, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(OBJECTS, "connections/b1", {"id": "b1", "name": "<img src=x onerror=1>"})
        page = self.page(open_page)
        name = {"name": EVIL}
        for answer in (page.get(), page.get("/dataflow", params=name), page.get("/", params={"q": f'"><{EVIL}'})):
            assert answer.status_code == 200
            assert "&lt;script&gt;" in answer.text
            assert not re.findall(r"<(?:script(?! src=)|img|i>CODE|u>odd)", answer.text)
            # No markup of the page itself would need an exception in its policy.
            assert not re.findall(r"\s(?:style|on\w+)=[\"']", answer.text)
            assert not re.findall(
                r"(?:src|href|action)=\"(?!/aep/|#|\?|/dags/|https://experience\.adobe\.com/)", answer.text
            )

    def test_the_policy_allows_nothing_within_the_page_and_no_other_host(self, open_page: Open) -> None:
        page = self.page(open_page)
        for path, role in (
            ("/", "VIEWER"),
            ("/assets/page.js", "VIEWER"),
            ("/nowhere", "VIEWER"),
            ("/", "nobody"),
            ("/", None),
        ):
            headers = page.get(path, role=role).headers
            policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
            assert policy["default-src"] == "'none'"
            assert set(policy.values()) == {"'none'", "'self'"}
            assert headers["x-content-type-options"] == "nosniff"

    def test_no_file_but_the_pages_own_is_served(self, open_page: Open) -> None:
        page = self.page(open_page)
        for name in ("../app.py", "..%2fapp.py", "page.py", "%2e%2e/app.py", "/etc/passwd"):
            assert page.get(f"/assets/{name}").status_code == 404


class TestList:
    def test_a_dataflow_with_its_runs(self, open_page: Open, dag: Any) -> None:
        dag("aep_dataflow__one", paused=True)
        runs = [window_run(f"r{number}", "one", start) for number, start in enumerate(WEEK[1:], 1)]
        text = open_page(World([flow("one")], runs), spec("one")).get().text
        assert "servicenow · incident" in text
        assert "DAG paused" in text
        assert "Last 6 runs: 6 succeeded" in text
        assert 'data-label="Rows in">60<' in text

    def test_search_filter_and_sort(self, open_page: Open) -> None:
        failed = [run("r1", "Beta", NOW - DAY, NOW - DAY + 9)]
        page = open_page(World([flow("Alpha"), flow("Beta", state="enabled"), flow("Gamma", state="disabled")], failed))

        def names(query: str) -> list[str]:
            return re.findall(r'<th scope="row"><a [^>]+>(\w+)<', page.get(f"/?{query}").text)

        assert names("") == ["Beta", "Gamma", "Alpha"]
        assert names("sort=name") == ["Alpha", "Beta", "Gamma"]
        assert names("sort=-name") == ["Gamma", "Beta", "Alpha"]
        assert names("sort=nonsense") == ["Beta", "Gamma", "Alpha"]
        assert names("q=AM") == ["Gamma"]
        assert names("health=failing") == ["Beta"]
        assert "No dataflow is like that" in page.get("/?q=nothing").text

    def test_many_are_leafed_through(self, open_page: Open) -> None:
        page = open_page(World([flow(f"flow {number:03}") for number in range(120)]))
        text = page.get("/?page=3").text
        assert text.count('<th scope="row">') == 20
        assert "Page 3 of 3, 120 dataflows" in text
        assert page.get("/?page=99").text.count('<th scope="row">') == 20
        assert page.get("/?page=0").status_code == 422

    @pytest.mark.parametrize(
        ("error", "words"),
        [
            (AepAuthenticationError(status=401), "refuses the credentials of the Airflow connection aep_default"),
            (AepPermissionError(status=403), "may not read the flows and runs of this sandbox"),
            (AepConnectError("no route"), "AEP could not be reached"),
        ],
    )
    def test_what_went_wrong_is_said_beside_what_was_there(self, error: Any, words: str, open_page: Open) -> None:
        moment = [float(NOW)]
        world = World([flow("one")])
        page = open_page(world, now=lambda: moment[0])
        page.get()
        world.error = error
        moment[0] += 120
        page.get()
        text = page.get().text
        assert words in text
        assert ">one</a>" in text
        world.error = None
        moment[0] += 120
        page.get()
        assert words not in page.get().text


class TestOne:
    def page(self, open_page: Open) -> Any:
        missing = {WEEK[2], WEEK[3]}
        runs = [
            window_run(f"r{number}", "one", start) for number, start in enumerate(WEEK[1:], 1) if start not in missing
        ]
        runs.append(window_run("bad", "one", WEEK[3], "failed"))
        return open_page(
            World([whole_flow("one")], runs), spec("one", schedule={"cron": "0 0 * * *", "start": "2025-12-30"})
        )

    def test_windows_and_gaps(self, open_page: Open) -> None:
        text = self.page(open_page).get("/dataflow?name=one").text
        start, end = (f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}" for at in (WEEK[3], WEEK[1]))
        assert re.search(rf"<strong>Gap</strong>.*?{start} to {end}", text, re.DOTALL)
        assert text.count("never ran") >= 1
        assert "not due yet" in text

    def test_runs_with_their_causes(self, open_page: Open) -> None:
        text = self.page(open_page).get("/dataflow?name=one").text
        assert "CONNECTOR-1001-500 the source refused the connection" in text
        assert "<b>What to do:</b>" in text

    def test_the_chain_with_ids(self, open_page: Open) -> None:
        text = self.page(open_page).get("/dataflow?name=one").text
        for part in ("b1", "s1", "x1", "d1", "t1", "m1", "flow-one"):
            assert f"<code>{part}</code>" in text, part
        assert 'href="https://experience.adobe.com/#/@LOCAL@AdobeOrg/sname:prod/platform/dataset/browse/d1"' in text

    def test_links_to_the_dag_and_its_runs(self, open_page: Open, dag: Any) -> None:
        dag("aep_dataflow__one")
        text = self.page(open_page).get("/dataflow?name=one").text
        assert 'href="/dags/aep_dataflow__one"' in text
        run_id = f"scheduled__{datetime.fromtimestamp(WEEK[1] + DAY, UTC):%Y-%m-%dT%H}%3A00"
        assert f'href="/dags/aep_dataflow__one/runs/{run_id}"' in text

    def test_runs_of_the_dag_are_for_those_who_may_see_them(
        self, open_page: Open, dag: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dag("aep_dataflow__one")
        page = self.page(open_page)
        monkeypatch.setattr(get_auth_manager(), "is_authorized_dag", lambda **asked: not asked.get("details"))
        text = page.get("/dataflow?name=one").text
        assert "/dags/aep_dataflow__one/runs/" not in text

    def test_airflow_below_a_path(self, open_page: Open, dag: Any) -> None:
        dag("aep_dataflow__one")
        page = self.page(open_page)
        page.client.app.root_path = "/airflow"
        text = page.client.get("/airflow/aep/dataflow?name=one", headers=page.headers("VIEWER")).text
        assert 'href="/airflow/dags/aep_dataflow__one"' in text
        assert 'src="/airflow/aep/assets/page.js"' in text


def test_nobody_waits_for_aep(open_page: Open) -> None:
    """The work is never begun, and yet there is an answer that says so."""
    world = World([flow("one")])
    page = open_page(world)
    late = create_app(world.hook, snapshots(world))
    assert late is not page.app
    stuck = snapshots(world)
    stuck._start = lambda work: None
    page.client.app.routes[-1].app = create_app(world.hook, stuck)
    before = time.monotonic()
    text = page.get().text
    assert "AEP is being asked for its flows and runs" in text
    assert 'data-again="2"' in text
    assert page.get("/dataflow?name=one").status_code == 200
    assert time.monotonic() - before < 60
