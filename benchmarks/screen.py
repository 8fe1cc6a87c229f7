"""What `look` finds and what it costs: personal data drawn onto the photographs, and pictures that hold none.

    python -m benchmarks.screen --pictures 200

Every secret is drawn at random by code that shares nothing with the checks (its own Luhn and ISO 7064 sums), in one of
three sizes and two styles, at a random place of a random photograph. The clean pictures are the photographs as they
are, and task pictures of every family, whose charts are full of numbers. One thread; prints JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import string
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from pipelines import ocr
from pipelines.personal import find
from pipelines.tasks import FAMILIES

ROOT = Path(__file__).resolve().parents[1]
REGIONS = ("US", "GB", "DE", "FR", "IN")
SIZES = (13, 18, 26)
STYLES = ("label", "outline")


def email(draw: random.Random) -> str:
    def word(length: int) -> str:
        return "".join(draw.choices(string.ascii_lowercase, k=length))

    name, top = f"{word(draw.randrange(2, 8))}.{word(6)}{draw.randrange(100)}", draw.choice(["com", "org", "de", "io"])
    return f"{name}@{word(7)}.{top}"


def phone(draw: random.Random) -> str:
    area, last = draw.choice(["212", "415", "650", "713"]), draw.randrange(10_000)
    first = draw.randrange(220, 990)
    return draw.choice(["+1 {} {} {:04d}", "({}) {}-{:04d}", "Call {}-{}-{:04d}"]).format(area, first, last)


def card(draw: random.Random) -> str:
    digits = [4, *(draw.randrange(10) for _ in range(14))]
    doubled = [sum(divmod(2 * digit, 10)) if place % 2 == 0 else digit for place, digit in enumerate(digits)]
    text = "".join(map(str, [*digits, -sum(doubled) % 10]))
    return " ".join(text[place : place + 4] for place in range(0, 16, 4))


def german_account(draw: random.Random) -> str:
    body = "".join(draw.choices(string.digits, k=18))
    check = 98 - int(body + "131400") % 97  # D and E are 13 and 14
    text = f"DE{check:02d}{body}"
    return " ".join(text[place : place + 4] for place in range(0, 22, 4))


def social_security(draw: random.Random) -> str:
    return f"{draw.randrange(100, 666)}-{draw.randrange(1, 100):02d}-{draw.randrange(1, 10_000):04d}"


SECRETS: dict[str, tuple[str, Callable[[random.Random], str]]] = {
    "email": ("email_in_picture", email),
    "phone": ("phone_in_picture", phone),
    "card": ("id_number_in_picture", card),
    "IBAN": ("id_number_in_picture", german_account),
    "SSN": ("id_number_in_picture", social_security),
}


def written(photograph: Path, text: str, size: int, style: str, draw: random.Random) -> Image.Image:
    """The photograph with the text on it; no smaller than the text is wide."""
    font = ImageFont.load_default(size)
    with Image.open(photograph) as opened:
        image = opened.convert("RGB")
    wide = int(font.getlength(text)) + 12
    if wide > image.width:
        image = image.resize((wide, image.height))
    x, y = draw.randrange(6, image.width - wide + 7), draw.randrange(4, image.height - size - 10)
    pen = ImageDraw.Draw(image)
    if style == "label":
        pen.rectangle((x - 4, y - 3, x + wide - 6, y + size + 6), fill="white")
        pen.text((x, y), text, font=font, fill="black")
    else:
        pen.text((x, y), text, font=font, fill="white", stroke_width=max(1, size // 12), stroke_fill="black")
    return image


def rules(image: Image.Image) -> set[str]:
    return {each.rule for line in ocr.lines(image) if line.confidence >= 0.5 for each in find(line.text, REGIONS)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=200, help="pictures with a secret; half as many task pictures")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    draw = random.Random(given.seed)
    photographs = sorted((ROOT / "examples" / "photographs").glob("*.jpg"))
    drawn, found, seconds = Counter[str](), Counter[str](), list[float]()
    rules(Image.new("RGB", (64, 64)))  # the engine is made with the first picture
    for number in range(given.pictures):
        name = list(SECRETS)[number % len(SECRETS)]
        rule, make = SECRETS[name]
        size, style = draw.choice(SIZES), draw.choice(STYLES)
        image = written(draw.choice(photographs), make(draw), size, style, draw)
        began = time.perf_counter()
        hit = rule in rules(image)
        seconds.append(time.perf_counter() - began)
        for group in (name, f"{size} px", style, "all"):
            drawn[group] += 1
            found[group] += hit
    alarms = Counter[str]()
    clean = {"photographs": [Image.open(path).convert("RGB") for path in photographs], "task pictures": []}
    for number in range(given.pictures // 2):
        family = FAMILIES[list(FAMILIES)[number % len(FAMILIES)]]
        clean["task pictures"].append(family.make(given.seed + number, number % len(family.DIALS)).images[0])
    for group, images in clean.items():
        alarms[group] = sum(bool(rules(image)) for image in images)
    report = {
        "found": {group: f"{found[group]} of {drawn[group]}" for group in drawn},
        "false alarms": {group: f"{alarms[group]} of {len(images)}" for group, images in clean.items()},
        "seconds per picture": round(sorted(seconds)[len(seconds) // 2], 3),
    }
    json.dump(report, sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
