"""Sheets of the first ten candidates of a network with what their tests say, for a person's eye.

    cargo bench --bench planted -- images NET FOLDER/NET          (for every NET)
    cargo bench --bench planted -- confirm NET... --images FOLDER --json FOLDER/confirm.json
    python tests/benches/peers/planted_confirm.py fixtures/planted FOLDER

writes FOLDER/NET.png: a row per candidate, its exemplars with the crop marked, and the outcome. Whether a confirmed
candidate is core (most crops show the class's own thing) is for a person to say. Needs pillow.
"""

import json
import sys

from PIL import Image, ImageDraw

SIDE = 96


def main():
    fixtures, folder = sys.argv[1:]
    for name, told in json.load(open(f"{folder}/confirm.json")).items():
        side = json.load(open(f"{fixtures}/{name}/truth.json"))["side"]
        sheet = Image.new("RGB", (260 + 10 * SIDE, len(told) * SIDE), "white")
        draw = ImageDraw.Draw(sheet)
        for row, one in enumerate(told):
            top = row * SIDE
            text = f"{one['rank']} {one['kind']} {one['class']}\n{one['outcome']} {one['shows'] or ''}"
            draw.text((4, top + 4), text, fill="black")
            for at, exemplar in enumerate(one["exemplars"]):
                picture = Image.open(f"{folder}/{name}/images/{exemplar['image']}").convert("RGB").resize((SIDE, SIDE))
                left = 260 + at * SIDE
                sheet.paste(picture, (left, top))
                x, y, width = (value * SIDE / side for value in exemplar["window"])
                draw.rectangle([left + x, top + y, left + x + width, top + y + width], outline="red")
        sheet.save(f"{folder}/{name}.png")
        outcomes = [one["outcome"] for one in told]
        print(name, {outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))})


if __name__ == "__main__":
    main()
