"""The pictures of docs/images, taken of the real thing: a `make up` of their own, in Chromium.

Run with `make pictures` after the UI, a form or a DAG has changed; look at what came out before it is committed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support import expected_conditions as expected
from selenium.webdriver.support.ui import WebDriverWait

from children import Child
from environment import ROOT, airflow_environment, clean_environment

IMAGES = ROOT / "docs" / "images"
CHAIN, DATAFLOW = "aep_provision_dataflow", "aep_dataflow__ServiceNow_incident_daily"
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--lang=en-GB",
]
_START_SECONDS = 240.0


class Camera:
    """A browser, at the size that a picture needs."""

    def __init__(self, url: str) -> None:
        self._url = url
        options = webdriver.ChromeOptions()
        options.binary_location = str(shutil.which("chromium") or shutil.which("google-chrome"))
        for flag in FLAGS:
            options.add_argument(flag)
        self._chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
        self._wait = WebDriverWait(self._chrome, 120, ignored_exceptions=[StaleElementReferenceException])

    def open(self, path: str, width: int, height: int) -> None:
        """Open a page of Airflow's."""
        self._chrome.set_window_size(width, height)
        self._chrome.get(f"{self._url}{path}")

    def prefer_graphs(self) -> None:
        """Have the pages of DAGs begin with their graph."""
        self._chrome.execute_script("localStorage.setItem('default_dag_view', '\"graph\"')")

    def see(self, what: str) -> WebElement:
        """Wait until it is there, by its XPath."""
        return self._wait.until(expected.visibility_of_element_located((By.XPATH, what)))

    def click(self, what: str) -> None:
        """Wait until it can be clicked, and do so."""
        self._wait.until(expected.element_to_be_clickable((By.XPATH, what))).click()

    def settle(self) -> None:
        """Wait until nothing moves any more: two pictures in a row are the same."""
        before = b""
        while (now := self._chrome.get_screenshot_as_png()) != before:
            before = now
            time.sleep(1)

    def take(self, name: str, of: str | None = None) -> None:
        """Write a picture of the page, or of a part of it."""
        self.settle()
        picture = self.see(of).screenshot_as_png if of else self._chrome.get_screenshot_as_png()
        (IMAGES / f"{name}.png").write_bytes(picture)
        print(IMAGES / f"{name}.png")

    def leave(self) -> None:
        """Close it."""
        self._chrome.quit()


def provision(home: Path) -> None:
    """One run of the chain, so that its graph is green."""
    command = ["airflow", "dags", "trigger", CHAIN, "--run-id", "pictured"]
    subprocess.run(command, env=airflow_environment(home), check=True, capture_output=True)


def take_all(camera: Camera) -> None:
    """All pictures of the pages."""
    dialog = "//*[@role='dialog'][.//*[@data-testid='trigger-dag-submit']]"
    camera.open(f"/dags/{CHAIN}", 1400, 1300)
    camera.prefer_graphs()
    camera.click("//*[@data-testid='trigger-dag-button']")
    camera.click(f"{dialog}//button[normalize-space()='Schedule']")
    camera.take("form", of=dialog)
    camera.open(f"/dags/{DATAFLOW}", 1400, 1260)
    camera.click("//*[@data-testid='trigger-dag-button']")
    camera.click(f"{dialog}//*[normalize-space()='Backfill']")
    camera.take("backfill")
    camera.open(f"/dags/{CHAIN}/runs/pictured", 2300, 700)
    camera.see("//*[contains(@class, 'react-flow__node')]//*[normalize-space()='summary']/ancestor::*[1]")
    camera.take("graph", of="//*[contains(@class, 'react-flow__renderer')]")


def main() -> int:
    """Start everything, take the pictures, end everything."""
    with tempfile.TemporaryDirectory() as scratch:
        home, state = Path(scratch) / "home", Path(scratch) / "state"
        command = [sys.executable, str(ROOT / "scripts" / "up.py"), "--home", str(home), "--state", str(state)]
        up = Child("up", [*command, "--port=0", "--aep-port=0"], environment=clean_environment(), log=home / "up.log")
        try:
            deadline = time.monotonic() + _START_SECONDS
            while not (found := re.search(r"^Airflow +(http://\S+)", up.output(), re.MULTILINE)):
                if up.process.poll() is not None or time.monotonic() > deadline:
                    print(up.output(), file=sys.stderr)
                    return 1
                time.sleep(0.5)
            provision(home)
            camera = Camera(found[1])
            try:
                take_all(camera)
            except Exception:
                camera.take("failed")
                raise
            finally:
                camera.leave()
        finally:
            up.process.terminate()
            up.process.wait(60)
            up.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
