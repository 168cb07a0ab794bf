"""The page of dataflows in real Airflow, opened from its navigation in a real browser."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support import expected_conditions as expected
from selenium.webdriver.support.ui import WebDriverWait

from .estate import Estate

pytestmark = [pytest.mark.browser, pytest.mark.e2e, pytest.mark.thorough]

NAME = "page"
# Half a day from the next window's end, however long the tests take.
TODAY = (datetime.now(UTC) - timedelta(hours=12)).replace(minute=0, second=0, microsecond=0)
"""Where yesterday's window ends and today's begins."""
LOADED = TODAY - timedelta(days=4)
"""The day that is backfilled. Airflow loads yesterday by itself, and the two between are a gap."""


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    folder = tmp_path_factory.mktemp("page")
    tables = folder / "tables"
    tables.mkdir()
    with (tables / "incident.csv").open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["sys_id", "sys_updated_at"])
        for number in range(24 * 7):
            out.writerow([f"row-{number}", f"{TODAY - timedelta(days=7) + timedelta(hours=number):%Y-%m-%d %H:%M:%S}"])
    one = Estate(folder / "estate", tables)
    one.environment["AIRFLOW__AEP__DATAFLOWS_FOLDER"] = str(one.specs)
    schedule = {"cron": f"0 {TODAY.hour} * * *", "start": (TODAY - timedelta(days=6)).isoformat()}
    dag_id = one.spec(NAME, table="incident", delta_column="sys_updated_at", schedule=schedule)
    try:
        one.start()
        one.known(dag_id)
        one.backfill(dag_id, LOADED.isoformat(), LOADED.isoformat())
        states = one.ended_runs(dag_id, 2)
        assert states == {f"{day:%Y-%m-%d}": "success" for day in (LOADED, TODAY - timedelta(days=1))}
        yield one
    finally:
        one.stop()


def test_there_is_one_plugin(estate: Estate) -> None:
    plugins = estate.api("GET", "/plugins")["plugins"]
    assert [plugin["name"] for plugin in plugins if plugin["external_views"]] == ["aep"]
    assert estate.api("GET", "/plugins/importErrors")["import_errors"] == []


def test_from_the_navigation_to_the_dag_run(browser: webdriver.Chrome, estate: Estate, tmp_path: Path) -> None:
    wait = WebDriverWait(browser, 60, ignored_exceptions=[StaleElementReferenceException])

    def seen(by: str, what: str) -> Any:
        return wait.until(expected.visibility_of_element_located((by, what)))

    def into_the_page() -> None:
        browser.switch_to.default_content()
        wait.until(expected.frame_to_be_available_and_switch_to_it((By.CSS_SELECTOR, "iframe[title='Dataflows']")))

    def themed(theme: str) -> list[int]:
        browser.switch_to.default_content()
        browser.execute_script(f"localStorage.setItem('theme', '{theme}')")
        browser.refresh()
        into_the_page()
        seen(By.LINK_TEXT, NAME)
        colour = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        return [int(number) for number in re.findall(r"\d+", colour)[:3]]

    browser.set_window_size(1400, 1000)
    browser.get(estate.url)
    wait.until(expected.element_to_be_clickable((By.XPATH, "//a[contains(@href, 'plugin/aep_dataflows')]"))).click()
    into_the_page()
    row = seen(By.XPATH, f"//tr[th//a[text()='{NAME}']]")
    wait.until(lambda _: "2 windows missing" in seen(By.XPATH, f"//tr[th//a[text()='{NAME}']]").text)
    row = seen(By.XPATH, f"//tr[th//a[text()='{NAME}']]")
    assert row.find_element(By.CSS_SELECTOR, "[data-label='Rows in']").text == "48"
    strip = row.find_element(By.CSS_SELECTOR, ".strip").get_attribute("aria-label")
    assert strip is not None
    assert strip.startswith("Last 2 runs: 2 succeeded")

    assert all(part > 200 for part in themed("light"))
    browser.save_screenshot(str(tmp_path / "list-light.png"))
    assert all(part < 60 for part in themed("dark"))
    browser.save_screenshot(str(tmp_path / "list-dark.png"))
    browser.switch_to.default_content()
    browser.set_window_size(520, 900)
    into_the_page()
    seen(By.LINK_TEXT, NAME)
    assert browser.execute_script("const at = document.documentElement; return at.scrollWidth <= at.clientWidth")
    browser.save_screenshot(str(tmp_path / "list-narrow.png"))

    # By keyboard alone: search, and open what was found.
    seen(By.ID, "q").send_keys("no such")
    seen(By.XPATH, "//*[contains(text(), 'No dataflow is like that')]")
    # What was typed into is still in hand, though all around it was put anew.
    assert browser.switch_to.active_element.get_attribute("id") == "q"
    browser.switch_to.active_element.send_keys(Keys.CONTROL, "a")
    browser.switch_to.active_element.send_keys(NAME)
    seen(By.LINK_TEXT, NAME).send_keys(Keys.ENTER)

    seen(By.XPATH, f"//h1[text()='{NAME}']")
    browser.switch_to.default_content()
    wait.until(lambda _: f"name={NAME}" in browser.current_url)
    browser.set_window_size(1400, 1000)
    into_the_page()
    text = wait.until(lambda _: "being read" not in (told := browser.find_element(By.ID, "main").text) and told)
    gap = f"{LOADED + timedelta(days=1):%Y-%m-%d %H:%M} to {TODAY - timedelta(days=1):%Y-%m-%d %H:%M}"
    assert gap in text
    assert text.count("never ran") == 2
    (flow,) = estate.aep("GET", "/flowservice/flows")["items"]
    (dataset,) = estate.datasets()
    parts = [flow["id"], *flow["sourceConnectionIds"], *flow["targetConnectionIds"], dataset.name]
    assert [part for part in (*parts, *(run["id"] for run in estate.aep_runs())) if part not in text] == []
    browser.save_screenshot(str(tmp_path / "dataflow-dark.png"))

    run_id = next(run["dag_run_id"] for run in estate.runs(f"aep_dataflow__{NAME}") if "backfill" in run["dag_run_id"])
    link = next(
        one
        for one in browser.find_elements(By.CSS_SELECTOR, "#runs + .tall a.out")
        if "backfill" in str(one.get_attribute("href"))
    )
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", link)
    link.click()
    browser.switch_to.default_content()
    wait.until(lambda _: "/dags/" in browser.current_url)
    assert browser.current_url.startswith(f"{estate.url}/dags/aep_dataflow__{NAME}/runs/backfill")
    wait.until(expected.text_to_be_present_in_element((By.TAG_NAME, "body"), "Success"))
    assert run_id.startswith("backfill")
    refused = [line["message"] for line in browser.get_log("browser") if "Content Security Policy" in line["message"]]  # type: ignore[no-untyped-call]
    assert refused == []
