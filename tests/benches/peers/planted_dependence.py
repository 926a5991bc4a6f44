"""Do images that look like a confirmed candidate go with its class, without any network?

    python planted_dependence.py CONFIRMED.json IMAGES NET RANK [RANK ...]

CONFIRMED.json is what `cargo bench --bench planted -- confirm NET --images IMAGES --json CONFIRMED.json` writes; the
images lie in IMAGES/NET/images/CLASS. Every image but the exemplars is looked at in the exemplars' windows (the whole
picture for images that are alike in colour or texture) and described by the mean and spread of its three colours
there. Of the 100 that are nearest to the exemplars the share of the class is told, beside its share of all images and
the chance that as many come by accident (hypergeometric). Candidates that are told to be in use but are not the thing
itself are false alarms only where this share is that of all images.
"""

import json
import sys
from math import comb
from pathlib import Path

import numpy as np
from PIL import Image

NEAREST = 100


def read(folder):
    pictures, paths, classes = [], [], []
    for of_class in sorted(folder.iterdir()):
        for path in sorted(of_class.iterdir()):
            pictures.append(np.asarray(Image.open(path).convert("RGB"), dtype=np.float32))
            paths.append(f"{of_class.name}/{path.name}")
            classes.append(of_class.name)
    return np.stack(pictures), paths, np.array(classes)


def colours(pictures, window):
    x, y, side = window
    inside = pictures[:, y : y + side, x : x + side].reshape(len(pictures), -1, 3)
    return np.hstack([inside.mean(1), inside.std(1)])


def told(entry, pictures, paths, classes):
    exemplars = [paths.index(one["image"]) for one in entry["exemplars"]]
    windows = [tuple(one["window"]) for one in entry["exemplars"]]
    if entry["kind"] in ("colour", "texture"):
        windows = [(0, 0, pictures.shape[1])] * len(windows)
    shown = [colours(pictures[at : at + 1], window) for at, window in zip(exemplars, windows)]
    middle = np.vstack(shown).mean(0)
    distances = []
    for window in set(windows):
        rows = colours(pictures, window)
        distances.append(np.linalg.norm((rows - middle) / (rows.std(0) + 1e-6), axis=1))
    distance = np.min(distances, axis=0)
    distance[exemplars] = np.inf
    nearest = np.argsort(distance)[:NEAREST]
    own = classes == entry["class"]
    hits, n, n_own = int(own[nearest].sum()), len(own) - len(exemplars), int(own.sum()) - len(exemplars)
    chance = sum(comb(n_own, k) * comb(n - n_own, NEAREST - k) for k in range(hits, NEAREST + 1)) / comb(n, NEAREST)
    return f"{hits / NEAREST:.2f} of the nearest, {own.mean():.2f} of all, p {chance:.0e}"


def main():
    confirmed, images, net, *ranks = sys.argv[1:]
    entries = json.loads(Path(confirmed).read_text())[net]
    pictures, paths, classes = read(Path(images) / net / "images")
    for entry in entries:
        if str(entry["rank"]) in ranks:
            text = told(entry, pictures, paths, classes)
            print(f"{net} {entry['rank']:>2} {entry['kind']:9} {entry['class']:14} {text}")


if __name__ == "__main__":
    main()
