"""Folders of dataflows: YAML as people mean it, layers, and what is told where."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from aep_provider.dataflows.reading import document
from aep_provider.dataflows.reading.document import parse, read_document
from aep_provider.dataflows.reading.load import Loaded, load_folder
from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.errors import AepConfigError

GOOD = """\
source: servicenow
source_conn_id: aep_source_servicenow
table: incident
delta_column: sys_updated_at
"""
Load = Callable[..., Loaded]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "dataflows").mkdir()
    return tmp_path / "dataflows"


@pytest.fixture
def load(folder: Path) -> Load:
    """Write files, and read the folder."""

    def load(files: dict[str, str], **options: Any) -> Loaded:
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
        return load_folder(folder, **options)

    return load


def one(loaded: Loaded) -> DataflowSpec:
    assert loaded.wrong == []
    (spec,) = loaded.specs
    return spec


def told(loaded: Loaded) -> str:
    (error,) = loaded.wrong
    return str(error)


@pytest.fixture(params=["CSafeLoader", "SafeLoader"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both of PyYAML's parsers: the fast one is not everywhere."""
    monkeypatch.setattr(document, "_Loader", getattr(yaml, request.param))


@pytest.mark.usefixtures("parser")
class TestYaml:
    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            ("on", "on"), ("yes", "yes"), ("n", "n"), ("true", True), ("False", False), ("TRUE", True),
            ("", None), ("~", None), ("null", None), ("'null'", "null"), ('"true"', "true"),
            ("0", 0), ("12", 12), ("-3", -3), ("+4", 4), ("0123", "0123"), ("0x1F", "0x1F"), ("0o17", "0o17"),
            ("1_000", "1_000"), ("12:30", "12:30"), ("12:30:45", "12:30:45"), ("1.5", 1.5), ("-.5", -0.5), ("2.", 2.0),
            ("1e3", 1000.0), ("1.2.3", "1.2.3"), (".", "."), ("+", "+"), (".inf", ".inf"), (".nan", ".nan"),
            ("2026-01-31", "2026-01-31"), ("2026-01-31 06:00", "2026-01-31 06:00"), ("1" * 30, "1" * 30),
            ("=", "="), ("!!str 5", "5"), ("! 5", "5"), ("|\n  two\n  lines\n", "two\nlines\n"),
            ("[a, 1]", ["a", 1]), ("{b: 1}", {"b": 1}),
        ],
    )  # fmt: skip
    def test_scalars_are_what_stands_there(self, written: str, meant: Any) -> None:
        content = parse(f"a: {written}", Path("f.yaml")).content["a"]
        assert (content, type(content)) == (meant, type(meant))

    def test_keys_are_texts(self) -> None:
        assert parse("on: 1\n2: 3\nnull: 4\n", Path("f.yaml")).content == {"on": 1, "2": 3, "null": 4}

    def test_an_anchor_is_repeated(self) -> None:
        read = parse("a: &x [1, {b: 2}]\nc: *x\n", Path("f.yaml"))
        assert read.content == {"a": [1, {"b": 2}], "c": [1, {"b": 2}]}
        assert read.lines["c", 1, "b"] == 2

    def test_lines(self) -> None:
        read = parse("# first\na:\n  b:\n    - x\n    -\n      y: 1\n", Path("f.yaml"))
        assert read.lines == {
            ("a",): 2, ("a", "b"): 3, ("a", "b", 0): 4, ("a", "b", 1): 6, ("a", "b", 1, "y"): 6,
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("text", "line", "what"),
        [
            ("a: 1\nb: 2\na: 3\n", 3, "a is there already, in line 1: keep one of the two"),
            ("a:\n  b: 1\n  c: 2\n  b: 3\n", 4, "a.b is there already, in line 2: keep one of the two"),
            ("a: !!python/object/apply:os.system ['true']\n", 1, "has the tag !!python/object/apply:os.system"),
            ("a: !secret x\n", 1, "has the tag !secret"),
            ("!!set {a}\n", 1, "has the tag !!set"),
            ("a: !!int 5\n", 1, "has the tag !!int"),
            ("a: &x {b: 1}\nc:\n  <<: *x\n", 3, "'<<' takes nothing over here"),
            ("? [a]\n: b\n", 1, "a field's name must be a text"),
            ("a: 1\n---\nb: 2\n", 2, "a second document begins (---)"),
            ("a: &x [*x]\n", 1, "*x repeats what is nowhere complete before it"),
            ("a: " + "[" * 21 + "]" * 21 + "\n", 1, "is nested more than 20 deep"),
            ("a: &x " + "[" * 15 + "]" * 15 + "\nb: [[[[[[[*x]]]]]]]\n", 2, "is nested more than 20 deep"),
            ("a: " + "[" * 500_000, 1, "is nested more than 20 deep"),
        ],
    )
    def test_what_is_not_plain(self, text: str, line: int, what: str) -> None:
        with pytest.raises(AepConfigError) as refused:
            parse(text, Path("f.yaml"))
        assert str(refused.value).startswith(f"f.yaml, line {line}: {what}")

    @pytest.mark.parametrize(
        ("text", "line", "what"),
        [
            ("a: [1\nb: 2\n", 1, "a bracket is not closed"),
            ("a: {b: 1\n", 1, "a bracket is not closed"),
            ("b: 1\na: [\n", 2, "a bracket is not closed, or a comma is one too many"),
            ("a: [1,, 2]\n", 1, "a bracket is not closed, or a comma is one too many"),
            ("a: 'b\nc: d\n", 1, "a quote is not closed"),
            ("a: 1\nb: c: d\n", 2, "a colon stands where no field begins"),
            ("cron: */15 * * * *\n", 1, "a text begins with * or &"),
            ("a: @daily\n", 1, "a text begins with a character such as @"),
            ("%a: 1\n", 1, "a text begins with a character such as @"),
            ("a: 1\n\tb: 2\n", 2, "it holds a tab"),
            ("a: 1\nb\nc: 2\n", 3, "a field has no value"),
            ("a:\n  - b\n c\n", 3, "the line is indented otherwise"),
            ("a: 1\nb\n", 2, "a field has no value"),
        ],
    )
    def test_what_is_no_yaml(self, text: str, line: int, what: str) -> None:
        with pytest.raises(AepConfigError) as refused:
            parse(text, Path("f.yaml"))
        assert str(refused.value).startswith(f"f.yaml, line {line}: is no YAML: {what}")

    def test_a_few_lines_that_would_be_billions_of_values(self) -> None:
        bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
            f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
        )
        with pytest.raises(AepConfigError, match=r"f.yaml, line 5: holds more than 100000 values"):
            parse(bomb, Path("f.yaml"))


class TestBytes:
    def test_too_large(self, tmp_path: Path) -> None:
        (tmp_path / "f.yaml").write_bytes(b"a: 1\n" + b"#" * 1_048_576)
        with pytest.raises(AepConfigError, match="larger than 1048576 bytes"):
            read_document(tmp_path / "f.yaml")

    def test_not_in_utf8(self, tmp_path: Path) -> None:
        (tmp_path / "f.yaml").write_bytes("a: 1\nb: é\n".encode("latin-1"))
        with pytest.raises(AepConfigError, match=r"f.yaml, line 2: is not in UTF-8"):
            read_document(tmp_path / "f.yaml")

    def test_a_mark_of_the_byte_order(self, tmp_path: Path) -> None:
        (tmp_path / "f.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
        assert read_document(tmp_path / "f.yaml").content == {"a": 1}

    def test_a_control_character(self, tmp_path: Path) -> None:
        (tmp_path / "f.yaml").write_bytes(b"a: \x00\n")
        with pytest.raises(AepConfigError, match="it holds a control character"):
            read_document(tmp_path / "f.yaml")

    def test_not_to_be_read(self, tmp_path: Path) -> None:
        with pytest.raises(AepConfigError, match=r"f.yaml: cannot be read: No such file"):
            read_document(tmp_path / "f.yaml")


class TestFolder:
    def test_in_the_order_of_the_files(self, load: Load, folder: Path) -> None:
        loaded = load(dict.fromkeys(("b.yml", "a.yaml", "c.txt", "d.yaml~", "_notes.yaml"), GOOD))
        assert [(one.file.name, one.spec.name) for one in loaded.declared] == [("a.yaml", "a"), ("b.yml", "b")]

    def test_called_after_the_file_or_not(self, load: Load) -> None:
        loaded = load({"a.yaml": GOOD + "name: other\n", "b.yaml": GOOD + "name:\n"})
        assert [spec.name for spec in loaded.specs] == ["other", "b"]

    def test_empty(self, load: Load) -> None:
        assert load({}) == Loaded()

    def test_a_broken_file_costs_the_others_nothing(self, load: Load, folder: Path) -> None:
        loaded = load({"a.yaml": GOOD, "b.yaml": "table: [", "c.yaml": GOOD})
        assert [spec.name for spec in loaded.specs] == ["a", "c"]
        assert list(loaded.broken) == [folder / "b.yaml"]

    def test_two_files_of_one_name(self, load: Load, folder: Path) -> None:
        loaded = load({"one.yaml": GOOD + "name: a b\n", "two.yaml": GOOD + "name: a_b\n"})
        assert [spec.name for spec in loaded.specs] == ["a b"]
        assert told(loaded) == (
            "two.yaml, line 5: name: 'a_b' is also the name of one.yaml: give one of the two another."
        )

    def test_mappings_from_a_file(self, load: Load, folder: Path) -> None:
        (folder.parent / "m.yaml").write_text("- {source: sys_id, destination: _id}\n")
        assert one(load({"a.yaml": GOOD + "mapping: m.yaml\n"})).mapping == [
            {"sourceType": "ATTRIBUTE", "source": "sys_id", "destination": "_id"}
        ]

    def test_mappings_from_elsewhere(self, load: Load, folder: Path, tmp_path: Path) -> None:
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        (elsewhere / "m.yaml").write_text("- {source: sys_id, destination: _id}\n")
        assert one(load({"a.yaml": GOOD + "mapping: m.yaml\n"}, root=elsewhere)).mapping is not None
        assert told(load({"a.yaml": GOOD + "mapping: ../m.yaml\n"}, root=folder)).startswith(
            "a.yaml, line 5: mapping: There is no mapping file '../m.yaml'"
        )

    def test_a_template_in_a_file_of_mappings(self, load: Load, folder: Path) -> None:
        (folder.parent / "m.yaml").write_text("- {source: '{{ x }}', destination: _id}\n")
        assert "a.yaml, line 5: mapping: holds a template mark" in told(load({"a.yaml": GOOD + "mapping: m.yaml\n"}))


class TestLayers:
    DEFAULTS = GOOD + "policy: {retries: 9, retry_delay: 1m}\ntarget: {field_groups: [a, b]}\n"
    SANDBOXES = """\
prod:
dev:
  base_connection: ServiceNow dev
  policy: {retries: 1}
  dataflows:
    two: {policy: {timeout: 1h}, base_connection: Two}
"""

    def test_from_the_lowest_to_the_highest(self, load: Load) -> None:
        files = {"_defaults.yaml": self.DEFAULTS, "_sandboxes.yaml": self.SANDBOXES}
        files |= {
            "one.yaml": "table: one\n",
            "two.yaml": "policy: {retries: 5, pool: p}\ntarget: {field_groups: [c]}\n",
        }
        prod = load(files, sandbox="prod")
        assert [(spec.sandbox, spec.table, spec.policy.retries) for spec in prod.specs] == [
            ("prod", "one", 9), ("prod", "incident", 5),
        ]  # fmt: skip
        dev = load(files, sandbox="dev")
        one, two = dev.specs
        assert (one.sandbox, one.base_name, one.policy.retries, one.policy.timeout) == (
            "dev",
            "ServiceNow dev",
            1,
            21600,
        )
        assert (two.base_name, two.policy.retries, two.policy.timeout, two.policy.retry_delay, two.policy.pool) == (
            "Two", 1, 3600, 60, "p",
        )  # fmt: skip
        assert two.target.field_groups == ["c"]

    def test_each_file_names_its_sandbox_if_nobody_else_does(self, load: Load) -> None:
        files = {"_sandboxes.yaml": self.SANDBOXES, "one.yaml": GOOD, "two.yaml": GOOD + "sandbox: dev\n"}
        assert [(one.sandbox, one.base_name) for one in load(files).specs] == [
            ("prod", "ServiceNow via aep_source_servicenow"), ("dev", "Two"),
        ]  # fmt: skip
        assert {one.sandbox for one in load(files, sandbox="prod").specs} == {"prod"}

    def test_the_defaults_may_name_it_too(self, load: Load) -> None:
        files = {"_defaults.yaml": "sandbox: dev\n", "_sandboxes.yaml": self.SANDBOXES}
        assert {one.sandbox for one in load({**files, "one.yaml": GOOD, "two.yaml": GOOD}).specs} == {"dev"}

    def test_null_takes_back(self, load: Load) -> None:
        files = {"_defaults.yaml": self.DEFAULTS + "columns: [a]\nschedule: {cron: '@daily', start: 2026-01-01}\n"}
        spec = one(load({**files, "one.yaml": "policy: {retries: }\ncolumns: null\nschedule: ~\ntarget:\n"}))
        assert (spec.policy.retries, spec.policy.retry_delay) == (3, 60)
        assert (spec.columns, spec.schedule, spec.target.field_groups) == (None, None, [])

    def test_without_a_list_of_sandboxes_any_will_do(self, load: Load) -> None:
        assert one(load({"one.yaml": GOOD}, sandbox="anything")).sandbox == "anything"

    @pytest.mark.parametrize(
        ("overlay", "wrong"),
        [
            ("policy: {retries: often}", "_sandboxes.yaml, line 2: policy.retries: must be a whole number"),
            ("dataflows: {one: {\n   table: 3}}", "_sandboxes.yaml, line 3: table: must be a text"),
            ("tabel: x", "_sandboxes.yaml, line 2: tabel: there is no such field"),
        ],
    )
    def test_what_is_wrong_is_told_where_it_stands(self, load: Load, overlay: str, wrong: str) -> None:
        loaded = load({"_sandboxes.yaml": f"dev:\n  {overlay}\n", "one.yaml": GOOD}, sandbox="dev")
        assert told(loaded).startswith(wrong)

    def test_what_is_wrong_with_the_defaults_is_told_once(self, load: Load, folder: Path) -> None:
        loaded = load({"_defaults.yaml": GOOD + "tabel: x\n", "one.yaml": "table: a\n", "two.yaml": "table: b\n"})
        wrong = "tabel: there is no such field. Did you mean 'table' or 'target' or 'enabled'?"
        assert told(loaded) == f"_defaults.yaml, line 5: {wrong}"
        assert list(loaded.broken) == [folder / "one.yaml", folder / "two.yaml"]

    def test_everything_that_is_wrong_is_in_one_message(self, load: Load) -> None:
        defaults = "source: servicenaw\ndelta_column: d\n"
        loaded = load({"_defaults.yaml": defaults, "one.yaml": "tabel: x\npolicy:\n  retries: -1\n"})
        assert told(loaded) == (
            "one.yaml, line 1: base_connection: nothing says how AEP gets in: name the Airflow connection with the credentials "
            "(source_conn_id), or a base connection that is in AEP already (base_connection); "
            'one.yaml, line 1: table: is missing: write it, as in table: "incident"; '
            "one.yaml, line 1: tabel: there is no such field. Did you mean 'table' or 'target' or 'enabled'?; "
            "one.yaml, line 3: policy.retries: must be at least 0, and is -1; "
            "_defaults.yaml, line 1: source: There is no source 'servicenaw'. Did you mean 'servicenow' or 'vertica' or "
            "'sqlserver'?"
        )

    @pytest.mark.parametrize("defaults", ["a: [", "- a\n", "name: x\n"])
    def test_a_layer_that_cannot_be_read_leaves_no_dataflow(self, load: Load, folder: Path, defaults: str) -> None:
        loaded = load({"_defaults.yaml": defaults, "one.yaml": GOOD, "two.yaml": GOOD})
        assert loaded.declared == []
        assert set(loaded.broken) == {folder / "one.yaml", folder / "two.yaml"}
        assert told(loaded).startswith("_defaults.yaml, line 1: ")

    def test_empty_defaults_are_none(self, load: Load) -> None:
        assert one(load({"_defaults.yaml": "# nothing yet\n", "one.yaml": GOOD})).name == "one"

    @pytest.mark.parametrize(
        ("sandboxes", "wrong"),
        [
            ("", "line 1: is empty: list every sandbox"),
            ("# dev:\n", "line 1: is empty"),
            ("{}\n", "line 1: has another form"),
            ("- dev\n", "line 1: has another form"),
            ("dev: 5\n", "line 1: dev: must be a mapping of fields"),
            ("Dev: {}\n", "line 1: Dev: 'Dev' is no sandbox's name"),
            ("dev:\n  name: x\n", "line 2: dev.name: a dataflow has one name in all sandboxes"),
            ("dev:\n  sandbox: prod\n", "line 2: dev.sandbox: the sandbox is dev: leave it out"),
            ("dev:\n  dataflows: [one]\n", "line 2: dev.dataflows: must be a mapping from names"),
            ("dev:\n  dataflows:\n    one: 5\n", "line 3: dev.dataflows.one: must be a mapping of fields"),
            ("dev:\n  dataflows:\n    one: {name: x}\n", "line 3: dev.dataflows.one.name: a dataflow has one name"),
        ],
    )
    def test_odd_sandboxes(self, load: Load, sandboxes: str, wrong: str) -> None:
        loaded = load({"_sandboxes.yaml": sandboxes, "one.yaml": GOOD}, sandbox="dev")
        assert told(loaded).startswith(f"_sandboxes.yaml, {wrong}")
        assert loaded.declared == []

    def test_an_overlay_of_nothing(self, load: Load, folder: Path) -> None:
        sandboxes = "dev:\n  dataflows:\n    one: {}\n    tow: {table: x}\n"
        loaded = load({"_sandboxes.yaml": sandboxes, "one.yaml": GOOD, "two.yaml": GOOD}, sandbox="dev")
        assert told(loaded) == (
            "_sandboxes.yaml, line 4: dev.dataflows.tow: there is no dataflow 'tow'. Did you mean 'two'?"
        )
        assert list(loaded.broken) == [folder / "_sandboxes.yaml"]
        assert len(loaded.declared) == 2

    def test_an_overlay_of_what_cannot_be_read_is_none_of_nothing(self, load: Load, folder: Path) -> None:
        sandboxes = "dev:\n  dataflows: {other: {table: x}}\n"
        loaded = load({"_sandboxes.yaml": sandboxes, "one.yaml": "name: other\ntable: [\n"}, sandbox="dev")
        assert list(loaded.broken) == [folder / "one.yaml"]

    def test_a_sandbox_that_is_not_listed(self, load: Load) -> None:
        files = {"_sandboxes.yaml": "prod:\nstage:\ndev:\n", "one.yaml": GOOD}
        loaded = load(files, sandbox="stag")
        assert told(loaded) == (
            "_sandboxes.yaml: there is no sandbox 'stag' in _sandboxes.yaml. Did you mean 'stage'? If it is right, list it "
            "there: stag: {}."
        )
        assert loaded.declared == []
        loaded = load({**files, "one.yaml": GOOD + "sandbox: dav\n"})
        assert told(loaded).startswith(
            "one.yaml, line 5: sandbox: there is no sandbox 'dav' in _sandboxes.yaml. Did you"
        )

    @pytest.mark.parametrize(
        ("name", "meant"),
        [
            ("_default.yaml", "_defaults.yaml"), ("_defaults.yml", "_defaults.yaml"),
            ("_sandbox.yaml", "_sandboxes.yaml"), ("_Sandboxes.yaml", "_sandboxes.yaml"),
        ],
    )  # fmt: skip
    def test_a_layer_by_almost_its_name(self, load: Load, name: str, meant: str) -> None:
        loaded = load({name: "{}", "one.yaml": GOOD})
        assert told(loaded) == f"{name}: is not read by this name: call it '{meant}'."
        assert loaded.declared == []
