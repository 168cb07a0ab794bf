"""What importing the operators costs over importing `airflow.sdk`, each in a fresh interpreter, in turns."""

from __future__ import annotations

import statistics
import subprocess
import sys

ROUNDS = 7
SDK = "import airflow.sdk; from airflow.sdk import BaseOperator, DAG"
STATEMENTS = {
    "airflow.sdk": SDK,
    "with the operators and the sensor": f"{SDK}; import aep_provider.operators, aep_provider.sensors",
}
CLOCK = "import time; began = time.perf_counter()\n{}\nprint(time.perf_counter() - began)"


def seconds(statement: str) -> float:
    """How long a statement takes in a new interpreter."""
    done = subprocess.run([sys.executable, "-c", CLOCK.format(statement)], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


if __name__ == "__main__":
    measured: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    for _ in range(ROUNDS):
        for name, statement in STATEMENTS.items():
            measured[name].append(seconds(statement))
    medians = {name: statistics.median(values) for name, values in measured.items()}
    for name, median in medians.items():
        print(f"{name}: {1000 * median:.0f} ms (median of {ROUNDS})")
    first, second = medians.values()
    print(f"the operators add {1000 * (second - first):.0f} ms, {second / first:.2f} times airflow.sdk alone")
