"""The search for secrets finds them in every spelling and place; nothing else in the tests could."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote_plus, urlencode

import psutil
import pytest

from .leaks import CommandLines, in_files, leaked

SECRET = "".join(["p8e-client-", "secret-0123456789"])
TOKEN = ".".join(["eyJ" + "a" * 64, "b" * 64, "c" * 64])


@pytest.mark.parametrize("before", ["", "u", "us", "ann:", "client:"])
@pytest.mark.parametrize("after", ["", "!", "\n", ":x"])
def test_base64_at_every_place(before: str, after: str) -> None:
    for code in (base64.b64encode, base64.urlsafe_b64encode):
        assert leaked(b"Basic " + code(f"{before}{SECRET}{after}".encode())) == [SECRET]


@pytest.mark.parametrize(
    "text",
    [SECRET, quote_plus(SECRET), urlencode({"client_secret": SECRET}), SECRET.encode().hex(), f'{{"a": "{SECRET}"}}'],
)
def test_other_spellings(text: str) -> None:
    assert leaked(text.encode()) == [SECRET]
    assert leaked(text[:-1].encode()[: len(text) // 2]) == []


def test_tokens_of_the_local_platform() -> None:
    assert leaked(f"Authorization: Bearer {TOKEN}".encode()) == ["an access token"]
    assert leaked(TOKEN[:-9].encode()) == []


def test_files_of_all_kinds_but_not_those_that_hold_it_on_purpose(tmp_path: Path) -> None:
    (tmp_path / "logs" / "deep").mkdir(parents=True)
    (tmp_path / "logs" / "deep" / "a.log").write_bytes(b"\xff\x00" + SECRET.encode())
    (tmp_path / "accounts.json").write_text(SECRET)
    (tmp_path / "good").write_text("nothing")
    assert list(in_files(tmp_path)) == [f"{tmp_path}/logs/deep/a.log: {SECRET}"]
    (tmp_path / "logs" / "deep" / "a.log").unlink()


def test_values_of_rows_lie_where_rows_lie(tmp_path: Path) -> None:
    for name in ("table.csv", "part.parquet", "task.log"):
        (tmp_path / name).write_text("".join(["value-of-a", "-row-7f3a91"]))
    assert list(in_files(tmp_path)) == [f"{tmp_path}/task.log: the value of a row"]
    (tmp_path / "task.log").unlink()


def test_command_lines() -> None:
    command = [sys.executable, "-c", "input()", SECRET[::-1]]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        seen = CommandLines()
        seen.look([psutil.Process(process.pid)])
        assert seen.found == set()
        seen.look([_Shows(process.pid)])
        (line,) = seen.found
        assert line.endswith(SECRET)


class _Shows(psutil.Process):
    """A process as it would be with the secret in its command line, which the search over all tests must not see."""

    def cmdline(self) -> list[str]:
        return [*super().cmdline()[:-1], SECRET]


def test_a_run_of_tests_fails_where_one_leaves_a_secret_behind(tmp_path: Path) -> None:
    """Whether it is printed, or written to a file."""
    root = Path(__file__).resolve().parents[1]
    for body, told in (("print(SECRET)", "output of "), ("(tmp_path / 'x').write_text(SECRET)", "/x: ")):
        test = tmp_path / "test_it.py"
        test.write_text(
            f"SECRET = ''.join([{SECRET[:9]!r}, {SECRET[9:]!r}])\n\n\ndef test_it(tmp_path):\n    {body}\n",
            encoding="utf-8",
        )
        command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-q", "-p", "no:cacheprovider", str(test)]
        command += ["--rootdir", str(tmp_path), f"--basetemp={tmp_path / 'base'}", "-c", "/dev/null"]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 1, done.stdout + done.stderr
        assert f"{told}" in done.stdout
        assert "1 passed" in done.stdout
        for left in (tmp_path / "base").rglob("x"):
            left.unlink()
