"""The DAG's form in Airflow's UI, filled in and sent in a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support import expected_conditions as expected
from selenium.webdriver.support.ui import WebDriverWait

pytestmark = [pytest.mark.browser, pytest.mark.e2e, pytest.mark.slow]

DAG_ID = "aep_provision_dataflow"
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,1800",
]


@pytest.fixture
def browser(demand: Callable[[bool, str], None], tmp_path: Path) -> Iterator[webdriver.Chrome]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    demand(bool(chromium and driver), "there is no chromium with chromedriver here")
    options = webdriver.ChromeOptions()
    options.binary_location = str(chromium)
    for flag in [*FLAGS, f"--user-data-dir={tmp_path / 'profile'}"]:
        options.add_argument(flag)
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(driver)))
    yield chrome
    chrome.quit()


def test_the_dag_is_triggered_from_its_form(browser: webdriver.Chrome, running) -> None:
    wait = WebDriverWait(browser, 60, ignored_exceptions=[StaleElementReferenceException])
    submit = (By.CSS_SELECTOR, "[data-testid=trigger-dag-submit]")

    def click(by: str, what: str) -> None:
        wait.until(expected.element_to_be_clickable((by, what))).click()

    def fill(name: str, value: str) -> None:
        field = wait.until(expected.element_to_be_clickable((By.NAME, name)))
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(value)
        assert field.get_attribute("value") == value

    browser.get(f"{running.url}/dags/{DAG_ID}")
    click(By.CSS_SELECTOR, "[data-testid=trigger-dag-button]")
    click(By.XPATH, "//*[@role='dialog']//button[normalize-space()='Source']")
    fill("element_table", "customer")
    click(By.XPATH, "//*[@role='dialog']//button[normalize-space()='Advanced Options']")
    fill("dagRunId", "from-form")
    click(*submit)
    wait.until(expected.invisibility_of_element_located(submit))

    run = running.ended_run(DAG_ID, "from-form")
    assert run["conf"]["table"] == "customer"
    assert run["state"] == "success", running.task_log(DAG_ID, "from-form")
    summary = running.summary(DAG_ID, "from-form")
    assert summary["run"]["rows_written"] == 60
    browser.get(f"{running.url}/dags/{DAG_ID}/runs/from-form")
    wait.until(expected.text_to_be_present_in_element((By.TAG_NAME, "body"), "Success"))
