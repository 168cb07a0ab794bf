"""Files with a mistake: each is told in one message, with file, line, field and what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from aep_provider.dataflows.reading.load import load_folder

GOOD = """\
source: servicenow
source_conn_id: aep_source_servicenow
table: incident
delta_column: sys_updated_at
"""
BROKEN = {
    "an unknown field": (
        GOOD + "tabel: incident\n",
        "5: tabel: there is no such field. Did you mean 'table' or 'target' or 'enabled'?",
    ),
    "an unknown field of a part": (
        GOOD + "policy:\n  retry: 5\n",
        "6: policy.retry: there is no such field. Did you mean 'retries' or 'retry_delay'?",
    ),
    "a password": (
        GOOD + "password: hunter2\n",
        (
            "5: password: there is no such field, and a file is no place for secrets: keep them in the "
            "Airflow connection that source_conn_id names."
        ),
    ),
    "two things at once, and a secret among them": (
        GOOD + "authentication: [x]\npolicy: {max_rejected_rows: eyJhbGciOiJIUzI1NiJ9.e30.abcdefgh}\n",
        (
            "5: authentication: must be a text, not a list; incident.yaml, line 6: policy.max_rejected_rows:"
            " must be a whole number, as in 3, not what stands there."
        ),
    ),
    "no table": (
        GOOD.replace("table: incident\n", ""),
        '1: table: is missing: write it, as in table: "incident".',
    ),
    "no source": (
        GOOD.replace("source: servicenow\n", ""),
        '1: source: is missing: write it, as in source: "servicenow".',
    ),
    "a number for a table": (
        GOOD.replace("table: incident\n", "table: 2024\n"),
        "3: table: must be a text, and 2024 is a number: put it in quotes.",
    ),
    "a list for a table": (
        GOOD.replace("table: incident\n", "table: [a, b]\n"),
        "3: table: must be a text, not a list.",
    ),
    "a misspelled source": (
        GOOD.replace("source: servicenow\n", "source: servicenaw\n"),
        ("1: source: There is no source 'servicenaw'. Did you mean 'servicenow' or 'vertica' or 'sqlserver'?"),
    ),
    "no way in": (
        GOOD.replace("source_conn_id: aep_source_servicenow\n", ""),
        (
            "1: base_connection: nothing says how AEP gets in: name the Airflow connection with the "
            "credentials (source_conn_id), or a base connection that is in AEP already (base_connection)."
        ),
    ),
    "no delta column": (
        GOOD.replace("delta_column: sys_updated_at\n", ""),
        (
            "1: delta_column: frequency on_demand needs a delta column, by which a run finds the rows of its"
            " window (AEP would answer 1383): name it, as in delta_column: sys_updated_at, or write load: "
            "one_time to load the table once."
        ),
    ),
    "a delta column for a table that is loaded once": (
        GOOD + "load: one_time\n",
        (
            "4: delta_column: delta column 'sys_updated_at' with frequency one_time, which loads the whole "
            "table (AEP would answer 1369): leave it out."
        ),
    ),
    "another load": (
        GOOD + "load: weekly\n",
        "5: load: must be 'on_demand', 'recurring' or 'one_time', not \"weekly\".",
    ),
    "recurring without a recurrence": (
        GOOD + "load: recurring\n",
        (
            "5: recurrence: load recurring needs to know how often AEP comes back, as in recurrence: "
            "{frequency: day, interval: 1}."
        ),
    ),
    "every 14 minutes": (
        GOOD + "load: recurring\nrecurrence:\n  frequency: minute\n  interval: 14\n",
        (
            "8: recurrence.interval: interval 14 with frequency minute, the least is 15 (AEP would answer "
            "1362): write the least, or a longer frequency."
        ),
    ),
    "no interval": (
        GOOD + "load: recurring\nrecurrence: {frequency: minute}\n",
        "6: recurrence.interval: is missing: write it, as in interval: 1.",
    ),
    "a recurrence for runs on demand": (
        GOOD + "recurrence:\n  frequency: hour\n  interval: 1\n",
        (
            "5: recurrence: interval 1 with frequency on_demand, whose runs bring their windows (AEP would "
            "answer 1361); backfill with frequency on_demand, whose runs bring their windows (AEP would "
            "answer 1364): leave recurrence out, or write load: recurring."
        ),
    ),
    "two schedules": (
        GOOD
        + "load: recurring\nrecurrence: {frequency: hour, interval: 1}\nschedule: {cron: '@daily', start: 2026-01-01}\n",
        ("7: schedule: with load recurring AEP has the schedule: write recurrence instead, or load: on_demand."),
    ),
    "a cron expression of four fields": (
        GOOD + "schedule:\n  cron: 0 0 * *\n  start: 2026-01-01\n",
        "6: schedule.cron: '0 0 * *' is no cron expression, as in 0 0 * * * or @daily.",
    ),
    "a schedule without a start": (
        GOOD + "schedule:\n  cron: '@daily'\n",
        '5: schedule.start: is missing: write it, as in start: "2026-01-31".',
    ),
    "a date in another order": (
        GOOD + "schedule:\n  cron: '@daily'\n  start: 31.01.2026\n",
        (
            "7: schedule.start: '31.01.2026' is no moment: write a date, as in 2026-01-31, or a date and "
            "time, as in 2026-01-31T06:00:00Z."
        ),
    ),
    "a city for a time zone": (
        GOOD + "schedule:\n  cron: '@daily'\n  start: 2026-01-31\n  timezone: Amsterdam\n",
        "8: schedule.timezone: 'Amsterdam' is no time zone, as in Europe/Amsterdam.",
    ),
    "a length of time in words": (
        GOOD + "schedule:\n  cron: '@daily'\n  start: 2026-01-31\n  lag: a while\n",
        ("8: schedule.lag: 'a while' is no length of time: write seconds, or a number with s, m, h or d, as in 15m."),
    ),
    "more than all rows": (
        GOOD + "policy:\n  max_rejected_percent: 101\n",
        "6: policy.max_rejected_percent: must be at most 100, and is 101.",
    ),
    "a number in words": (
        GOOD + "policy:\n  max_rejected_rows: many\n",
        '6: policy.max_rejected_rows: must be a whole number, as in 3, not "many".',
    ),
    "yes for true": (
        GOOD + "policy:\n  accept_empty: yes\n",
        '6: policy.accept_empty: must be true or false, not "yes".',
    ),
    "a text for a part": (
        GOOD + "policy: strict\n",
        (
            "5: policy: must be a mapping with fields such as on_failed_run, max_rejected_rows, "
            "max_rejected_percent, not a text."
        ),
    ),
    "a text for a list": (
        GOOD + "columns: sys_id\n",
        '5: columns: must be a list, as in [one, two], not "sys_id".',
    ),
    "a column twice": (
        GOOD + "columns: [sys_id, number, sys_id]\n",
        "5: columns: The columns name 'sys_id' more than once: name each once.",
    ),
    "a name that AEP cannot find again": (
        GOOD + "name: Incidents, daily\n",
        (
            "5: name: The name of the dataflow 'Incidents, daily' holds a comma, with which AEP's filters "
            "cannot find it again: use letters, digits, blanks, '-', '_', '.', ':' or '/'."
        ),
    ),
    "half a mapping": (
        GOOD + "mapping:\n  - {source: sys_id}\n",
        (
            "5: mapping: The mapping {'source': 'sys_id'} is incomplete: it needs source and destination (or"
            " sourceAttribute and destinationXdmPath)."
        ),
    ),
    "a file of mappings that is not there": (
        GOOD + "mapping: mappings/none.yaml\n",
        "5: mapping: There is no mapping file 'mappings/none.yaml' under /include.",
    ),
    "a template": (
        GOOD.replace("delta_column: sys_updated_at\n", 'delta_column: "{{ conn.aep_default.password }}"\n'),
        ("4: delta_column: holds a template mark ({{, {% or {#), and nothing here is rendered: write what is meant."),
    ),
    "a sandbox's title": (
        GOOD + "sandbox: Production\n",
        (
            "5: sandbox: 'Production' is no sandbox's name: lower case letters, digits and hyphens, not its "
            "title, as in prod."
        ),
    ),
    "two schemas": (
        GOOD + "target:\n  existing_schema: Incidents\n  field_groups: [profile-person-details]\n",
        "5: target: An existing schema is named, and field groups too: leave one of them out.",
    ),
    "a field twice": (
        GOOD + "table: problem\n",
        "5: table is there already, in line 3: keep one of the two.",
    ),
    "a tab": (
        GOOD + "policy:\n\tretries: 5\n",
        "6: is no YAML: it holds a tab: indent with blanks.",
    ),
    "an open bracket": (
        GOOD + "columns: [sys_id, number\nload: one_time\n",
        "5: is no YAML: a bracket is not closed: end the list with ] or the mapping with }.",
    ),
    "a star": (
        GOOD + "schedule:\n  cron: */15 * * * *\n",
        "6: is no YAML: a text begins with * or &: put it in quotes.",
    ),
    "a tag": (
        GOOD + "columns: !!python/tuple [sys_id]\n",
        "5: has the tag !!python/tuple, and only plain values are read: take it out.",
    ),
    "two documents": (
        GOOD + "---\n" + GOOD,
        "5: a second document begins (---): give it a file of its own.",
    ),
    "a list": (
        "- source: servicenow\n",
        "1: a dataflow is a mapping of fields: write at least source: servicenow and table: incident.",
    ),
    "nothing at all": (
        "",
        "1: a dataflow is a mapping of fields: write at least source: servicenow and table: incident.",
    ),
}


def test_there_are_enough() -> None:
    assert len(BROKEN) >= 20


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_specification(name: str, tmp_path: Path) -> None:
    text, told = BROKEN[name]
    folder = tmp_path / "dataflows"
    folder.mkdir()
    (folder / "incident.yaml").write_text(text, encoding="utf-8")
    (error,) = load_folder(folder, root=Path("/include")).wrong
    assert str(error) == f"incident.yaml, line {told}"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("password: hunter2hunter2", "hunter2"),
        ("client_secret: {a: hunter2hunter2}", "hunter2"),
        ("source: https://ann:hunter2@dev1.example.com", "hunter2"),
        ("source: eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl", "eyJ"),
        ("name: p8e-0123456789abcdefABCDEF0123456789,x", "0123"),
        ("schedule: {cron: Bearer 0123456789, start: 2026-01-31}", "0123"),
        ("policy: {retries: eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl}", "eyJ"),
        ("columns: [{type: https://ann:hunter2@dev1.example.com}]", "hunter2"),
        ("mapping: [{source: https://ann:hunter2@dev1.example.com}]", "hunter2"),
        ("load: 0123456789abcdefABCDEF0123456789", "0123"),
        ('target: {dataset: "a,https://ann:hunter2@dev1.example.com"}', "hunter2"),
    ],
)
def test_what_may_be_a_secret_is_not_told(text: str, secret: str, tmp_path: Path) -> None:
    field = text.partition(":")[0]
    rest = "".join(line for line in GOOD.splitlines(keepends=True) if not line.startswith(f"{field}:"))
    (tmp_path / "incident.yaml").write_text(f"{rest}{text}\n", encoding="utf-8")
    (error,) = load_folder(tmp_path).wrong
    assert str(error).startswith("incident.yaml, line ")
    assert secret not in str(error)
