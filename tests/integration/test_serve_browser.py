"""The page in a browser: a prediction, a scan, a wrong input and a download."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

import ppi

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    import uvicorn

    from ppi.serve.app import create_app
    from ppi.serve.server import _bound

    server = uvicorn.Server(uvicorn.Config(create_app(ppi.Predictor()), log_level="warning"))
    with _bound("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.05)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright drives the browser: pip install playwright"
    )
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """The page, 380 pixels wide; at the end nothing may have gone wrong in its scripts."""
    page = browser.new_page(viewport={"width": 380, "height": 800}, accept_downloads=True)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda line: wrong.append(line.text) if "violates" in line.text else None)
    page.goto(address)
    yield page
    page.close()
    assert wrong == []


def wait_for_text(page: Any, field: str) -> None:
    for _ in range(100):
        if page.input_value(field):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"{field} stays empty")


def test_a_prediction_and_its_download(page: Any) -> None:
    page.select_option("#panel-predict select[data-example]", "barnase_barstar.fasta")
    wait_for_text(page, "#predict-text")
    page.click("#predict button.main")
    card = page.locator(".card")
    card.wait_for()
    assert "pKd 13.9" in card.inner_text()
    assert "1BRS_A_D, measured pKd 14.0" in card.inner_text()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    assert download.value.path().read_text().splitlines()[1].startswith("barnase_barstar,13.8")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 380


def test_a_wrong_input_is_shown_as_text_beside_it(page: Any) -> None:
    page.fill("#predict-text", ">a|ligand\nAC-D\n>a|receptor\nA")
    page.click("#predict button.main")
    error = page.locator("#predict-error")
    error.wait_for()
    assert "position 3: '-' is a gap of an alignment" in error.inner_text()
    page.fill("#predict-text", ">a<img src=x>|ligand\nACDE\n>a<img src=x>|receptor\nACDE")
    page.click("#predict button.main")
    page.locator(".card").wait_for()
    assert page.locator(".card h3").inner_text() == "a<img src=x>"
    assert error.is_hidden()


def test_a_scan_by_keyboard(page: Any) -> None:
    page.focus("#tab-predict")
    page.keyboard.press("ArrowRight")
    page.select_option("#panel-scan select[data-example]", "barnase_barstar.fasta")
    wait_for_text(page, "#scan-text")
    page.fill("#scan-sites", "ligand:1:57-58")
    page.press("#scan-sites", "Enter")
    page.locator(".report img").wait_for()
    assert "Hot spots" in page.locator(".report").inner_text()


def test_measured_variants_a_plate_and_a_reload(page: Any) -> None:
    page.click("#tab-adapt")
    page.click("#adapt-example")
    wait_for_text(page, "#adapt-wild")
    wait_for_text(page, "#adapt-measured")
    page.select_option("#adapt-next", "suggest")
    wait_for_text(page, "#adapt-pool")
    page.fill("#adapt-size", "5")
    page.click("#adapt button.main")
    result = page.locator("#adapt-result")
    result.locator("td", has_text="E1").wait_for()
    text = result.inner_text()
    assert "Variants to measure next" in text
    assert "one-hot ridge" in text
    assert "8 variants: 0." in str(result.locator("svg.curve").get_attribute("aria-label"))
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    assert download.value.path().read_text().startswith("well,role,id,mutant,predicted")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 380
    page.reload()
    page.locator("#adapt-result td", has_text="E1").wait_for()
    assert page.get_attribute("#tab-adapt", "aria-selected") == "true"


def test_the_address_of_a_job_that_is_forgotten(page: Any, address: str) -> None:
    page.goto(f"{address}/#{'0' * 32}")
    page.reload()
    page.locator("#predict-result .error").wait_for()
    assert "forgets old jobs" in page.inner_text("#predict-result")
