"""How many of the first ten candidates of a network are confirmed by their tests, and what they look like.

    cargo bench --bench planted -- images NET FOLDER/NET          (for every NET)
    python tests/benches/peers/planted_confirm.py target/release/atlascope fixtures/planted FOLDER NET...

Builds an atlas of each network's images, takes the first ten of `suspects --json`, runs `patch` on each and writes
FOLDER/NET.confirm.json and FOLDER/NET.png: a row per candidate, its ten exemplars with the place marked, and the verdict.
Whether a confirmed candidate is core (most exemplars show the class's own thing at that place) is for a person to say.
Needs pillow.
"""

import json
import os
import subprocess
import sys

from PIL import Image, ImageDraw

SIDE = 96


def run(*args):
    done = subprocess.run(args, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(args)}\n{done.stderr}")
    return done.stdout


def main():
    program, fixtures, folder, *names = sys.argv[1:]
    for name in names:
        truth = json.load(open(f"{fixtures}/{name}/truth.json"))
        atlas, images = f"{folder}/{name}.atlas", f"{folder}/{name}/images"
        carries = {}
        for entry in json.load(open(f"{folder}/{name}/carries.json")):
            carries[entry["path"]] = {carried["artefact"] for carried in entry["carries"]}
        network = ["--network", f"{fixtures}/{name}/net.onnx"]
        if not os.path.exists(atlas):
            run(program, "build", *network, "--classes", f"{fixtures}/{name}/classes.txt", "--images", images,
                "--mean", str(truth["mean"]), "--scale", str(truth["scale"]), "--size", str(truth["side"]),
                "--resize", "warp", "--layer", truth["layer"], "--positions", "3", "--grid", "10,20", "--steps", "1",
                "--icon-size", "32", "-o", atlas)
        listed = json.loads(run(program, "suspects", atlas, "--json", "--top", "10"))
        sheet = Image.new("RGB", (260 + 10 * SIDE, len(listed) * SIDE), "white")
        draw, told = ImageDraw.Draw(sheet), []
        for rank, one in enumerate(listed):
            args = ["--cell", one["link"].rsplit("#", 1)[1], "--class", one["class"], "--json"]
            if one["component"] is not None:
                args += ["--kind", one["kind"], "--component", str(one["component"])]
            tested = json.loads(run(program, "patch", atlas, *network, "--images", images, *args))
            shows = {}
            for exemplar in one["exemplars"]:
                for artefact in carries[exemplar["image"]]:
                    shows[artefact] = shows.get(artefact, 0) + 1
            shows = [artefact for artefact, n in shows.items() if n >= 8]
            told.append({"rank": rank + 1, "kind": one["kind"], "class": one["class"], "outcome": tested["outcome"],
                         "verdict": tested["verdict"], "shows": shows})
            text = f"{rank + 1} {one['kind']} {one['class']}\n{tested['outcome']} {' '.join(shows)}"
            draw.text((4, rank * SIDE + 4), text, fill="black")
            rows = truth["side"] // 4
            for at, exemplar in enumerate(one["exemplars"]):
                picture = Image.open(f"{images}/{exemplar['image']}").convert("RGB").resize((SIDE, SIDE))
                left, top = 260 + at * SIDE, rank * SIDE
                sheet.paste(picture, (left, top))
                x, y = ((exemplar[key] + 0.5) * SIDE / rows for key in ("col", "row"))
                draw.ellipse([left + x - 4, top + y - 4, left + x + 4, top + y + 4], outline="red", width=2)
        sheet.save(f"{folder}/{name}.png")
        with open(f"{folder}/{name}.confirm.json", "w") as file:
            json.dump(told, file, indent=1)
            file.write("\n")
        print(name, {kind: sum(one["outcome"] == kind for one in told) for kind in sorted({one["outcome"] for one in told})})
        for one in told:
            print("  ", one["rank"], one["kind"], one["class"], one["outcome"], *one["shows"])


if __name__ == "__main__":
    main()
