"""The connection's form in Airflow's UI, filled in, saved and tested in a real browser."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support import expected_conditions as expected
from selenium.webdriver.support.ui import WebDriverWait

pytestmark = [pytest.mark.browser, pytest.mark.e2e, pytest.mark.slow, pytest.mark.thorough]

CONN_ID = "aep_form"
NOBODY = "http://127.0.0.1:9"
SECRET = "local-secret"


class Form:
    """Airflow's page of connections, and the one connection that is tried on it."""

    def __init__(self, browser: webdriver.Chrome, url: str) -> None:
        self._browser = browser
        self._wait = WebDriverWait(browser, 60, ignored_exceptions=[StaleElementReferenceException])
        browser.get(f"{url}/connections")

    def click(self, path: str) -> None:
        self._wait.until(expected.element_to_be_clickable((By.XPATH, path))).click()

    def press(self, button: str) -> None:
        self.click(f"//tr[contains(., '{CONN_ID}')]//button[@aria-label='{button}']")

    def section(self, name: str) -> None:
        self.click(f"//*[@role='dialog']//button[normalize-space()='{name}']")

    def fill(self, **fields: str) -> None:
        for name, value in fields.items():
            field = self._wait.until(expected.element_to_be_clickable((By.NAME, name)))
            field.send_keys(Keys.CONTROL, "a")
            field.send_keys(value or Keys.DELETE)
            assert field.get_attribute("value") == value

    def kind(self, name: str) -> str:
        return str(self._browser.find_element(By.NAME, name).get_attribute("type"))

    def add(self, type_name: str) -> None:
        self.click("//button[contains(., 'Add Connection')]")
        self.fill(connection_id=CONN_ID)
        choice = self._wait.until(
            expected.element_to_be_clickable((By.CSS_SELECTOR, "[role=dialog] input[role=combobox]"))
        )
        choice.send_keys(type_name)
        self.click(f"//*[@role='option'][contains(., '{type_name}')]")

    def save(self) -> None:
        save = "//*[@role='dialog']//button[normalize-space()='Save']"
        self.click(save)
        self._wait.until(expected.invisibility_of_element_located((By.XPATH, save)))

    def test(self) -> str:
        """What Airflow tells once the test has ended."""
        self.press("Test Connection")
        told = self._wait.until(
            lambda browser: next(
                (
                    toast.text
                    for toast in browser.find_elements(By.CSS_SELECTOR, "[data-scope=toast][data-part=root]")
                    if "Test Connection" in toast.text
                ),
                None,
            )
        )
        # Messages stay for some seconds, and the next test shall not be told what this one found.
        self._browser.refresh()
        return str(told)

    def change(self, section: str, **fields: str) -> None:
        self.press("Edit Connection")
        if section != "Standard Fields":
            self.section(section)
        self.fill(**fields)
        self.save()


def test_a_connection_is_made_in_its_form_and_tested(browser: webdriver.Chrome, running: Any) -> None:
    gateway = running.get("/connections/aep_default")["host"]
    port = re.search(r"\d+$", gateway)
    assert port
    form = Form(browser, running.url)
    form.add("Adobe Experience Platform")
    form.fill(host=gateway, port=port[0], login="tester", password=SECRET)
    assert form.kind("password") == "password"
    form.section("Extra Fields")
    form.fill(element_ims_org_id="LOCAL@AdobeOrg", element_sandbox="nowhere")
    form.fill(element_token_url=f"{gateway}/ims/token/v3")
    assert form.kind("element_access_token") == "password"
    form.save()
    assert "The test of the sandbox failed (right: token, gateway, organisation)" in form.test()

    form.change("Extra Fields", element_sandbox="stage", element_token_url=f"{NOBODY}/ims/token/v3")
    assert "The test of the token failed. Adobe's identity service gave no answer" in form.test()

    form.change("Extra Fields", element_ims_org_id="", element_token_url=f"{gateway}/ims/token/v3")
    assert "ims_org_id: must not be empty" in form.test()

    form.change("Extra Fields", element_ims_org_id="LOCAL@AdobeOrg")
    assert "Token, organisation, sandbox stage and permissions are right" in form.test()
    kept = running.get(f"/connections/{CONN_ID}")
    assert SECRET not in json.dumps(kept)
    assert json.loads(kept["extra"])["sandbox"] == "stage"
