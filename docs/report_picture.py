"""The picture of a report that README shows: four places of the page, light above, dark below.

    python docs/report_picture.py report.html docs/report.webp

Needs playwright (requirements/dev.txt) and chromium.
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

PLACES = (("light", None), ("light", "gallery"), ("dark", "difficulty"), ("dark", "training"))
VIEW = (1180, 760)
WIDTH, GAP = 1600, 10
SETTLE = 800  # milliseconds


def shots(report: Path) -> list[Image.Image]:
    """One screenshot of `VIEW` px for each of `PLACES`."""
    taken = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for scheme, section in PLACES:
            page = browser.new_page(
                viewport={"width": VIEW[0], "height": VIEW[1]}, color_scheme=scheme, reduced_motion="reduce"
            )
            page.goto(report.resolve().as_uri())
            if section == "gallery":
                card = page.locator("#gallery details.card", has_text="search · same").first
                card.locator("summary").first.click()
                for _ in range(2):
                    card.locator("button", has_text="→").last.click()  # the oracle's trace stands last
                card.evaluate("node => node.scrollIntoView({block: 'center', behavior: 'instant'})")
            elif section:
                place = f"document.getElementById('{section}')"
                page.evaluate(f"{place}.scrollIntoView({{behavior: 'instant'}})")
                page.wait_for_timeout(SETTLE)  # what was not laid out before is now, and may have moved the place
                page.evaluate(f"{place}.scrollIntoView({{behavior: 'instant'}})")
            page.wait_for_timeout(SETTLE)
            taken.append(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
        browser.close()
    return taken


def main(report: Path, out: Path) -> None:
    width, height = VIEW
    sheet = Image.new("RGB", (2 * width + GAP, 2 * height + GAP), (200, 200, 196))
    for number, shot in enumerate(shots(report)):
        sheet.paste(shot, (number % 2 * (width + GAP), number // 2 * (height + GAP)))
    sheet.resize((WIDTH, round(WIDTH * sheet.height / sheet.width)), Image.Resampling.LANCZOS).save(out, quality=80)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
