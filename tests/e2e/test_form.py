"""From the DAG's form in Airflow's UI to the page of dataflows, in a real browser."""

from __future__ import annotations

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support import expected_conditions as expected
from selenium.webdriver.support.ui import WebDriverWait

pytestmark = [pytest.mark.browser, pytest.mark.e2e, pytest.mark.slow, pytest.mark.thorough]

DAG_ID = "aep_provision_dataflow"


def test_from_the_form_to_the_page(browser: webdriver.Chrome, running) -> None:
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

    flow_id = next(one["id"] for one in summary["objects"] if one["kind"] == "flow")
    browser.get(f"{running.url}/plugin/aep_dataflows")
    wait.until(expected.frame_to_be_available_and_switch_to_it((By.CSS_SELECTOR, "iframe[title='Dataflows']")))
    wait.until(expected.element_to_be_clickable((By.LINK_TEXT, "ServiceNow customer"))).click()
    main = (By.ID, "main")
    wait.until(expected.text_to_be_present_in_element(main, summary["run"]["id"]))
    assert flow_id in browser.find_element(*main).text
