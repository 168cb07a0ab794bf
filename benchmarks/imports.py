"""What importing the operators costs once `airflow.sdk` is imported, each time in a fresh interpreter."""

from __future__ import annotations

import statistics
import subprocess
import sys

ROUNDS = 11
PROGRAM = """\
import time
began = time.perf_counter()
import airflow.sdk
from airflow.sdk import BaseOperator, DAG
then = time.perf_counter()
import aep_provider.operators, aep_provider.sensors
print(then - began, time.perf_counter() - then)
"""


def seconds() -> tuple[float, float]:
    """How long `airflow.sdk` takes, and then the operators and the sensor."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    sdk, ours = map(float, done.stdout.splitlines()[-1].split())
    return sdk, ours


if __name__ == "__main__":
    # Of both in one interpreter, the difference is not that of two busy moments.
    measured = [seconds() for _ in range(ROUNDS)]
    sdk, ours = (1000 * statistics.median(each) for each in zip(*measured, strict=True))
    print(f"airflow.sdk: {sdk:.0f} ms (median of {ROUNDS})")
    print(f"the operators and the sensor add {ours:.0f} ms, {ours / sdk:.1%} of it")
