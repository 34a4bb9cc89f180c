"""The demo's report in a real browser: run with `pytest -m browser` where Chromium is installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.browser
@pytest.mark.parametrize("width", [1180, 420])
def test_the_report_shows_all_its_pictures_and_fits_the_window(tmp_path: Path, width: int) -> None:
    from playwright.sync_api import sync_playwright

    toolkit = Path(sys.executable).with_name("toolkit")
    subprocess.run(
        [toolkit, "demo", "-o", tmp_path / "demo", "--epochs", "3", "--json"], check=True, capture_output=True
    )
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert chromium, "Chromium is needed for this test: install the package chromium"
    requests, complaints = [], []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto((tmp_path / "demo" / "report.html").as_uri())
        pictures = page.evaluate("[...document.images].map(image => [image.complete, image.naturalWidth])")
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        headings = page.locator("h2").all_inner_texts()
        browser.close()
    assert len(pictures) > 100
    assert all(complete and natural > 0 for complete, natural in pictures)
    assert overflow <= 0
    assert "Nearest neighbours by the network's embedding" in headings
    assert complaints == []
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
