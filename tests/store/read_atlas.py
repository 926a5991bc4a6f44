"""Reads an .atlas file with the standard library, numpy and pandas; prints numbers that the Rust test compares."""

import io
import json
import sys
import zipfile

import numpy as np
import pandas as pd

z = zipfile.ZipFile(sys.argv[1])
m = json.loads(z.read("manifest.json"))


def array(name):
    return np.load(io.BytesIO(z.read(name)), allow_pickle=False)


layer = m["layers"][0]
paths = json.loads(z.read("images/path.json"))

position = array("layers/0/position.npy") / 65535
samples = pd.DataFrame(
    {
        "image": array("layers/0/image.npy"),
        "row": array("layers/0/row.npy"),
        "col": array("layers/0/col.npy"),
        "x": position[:, 0],
        "y": position[:, 1],
        "cell": array("layers/0/levels/1/sample_cell.npy"),
    }
)
top = array("layers/0/top_values.npy") * array("layers/0/top_scale.npy").astype("f4")[:, None]
pooled = layer["pooled"]["zero"] + layer["pooled"]["step"] * array("layers/0/pooled.npy")
coordinates = layer["pca"]["zero"] + layer["pca"]["step"] * array("layers/0/pca_coordinates.npy")

attributions = array("layers/0/levels/1/attributions.npy").astype("f4")
cells = pd.DataFrame({c: array(f"layers/0/levels/1/{c}.npy") for c in ["row", "col", "n_samples"]})
cells["top_class"] = [m["classes"][c]["names"] for c in attributions.argmax(axis=1)]
assert (samples.groupby("cell").size().reindex(range(len(cells)), fill_value=0) == cells.n_samples).all()

head = m["head"]


def scaled(name):
    return head[name]["zero"] + head[name]["step"] * array(f"head/{name}.npy")


logits = scaled("pooled") @ array("head/weights.npy").astype("f8").T + array("head/bias.npy")

row, col = layer["levels"][1]["tiles"][0]
json.dump(
    {
        "n_images": m["n_images"],
        "n_samples": len(samples),
        "grids": [level["grid"] for level in layer["levels"]],
        "classes": [c["names"] for c in m["classes"]],
        "first_path": paths[0],
        "first_cell_members": samples.index[samples.cell == 0].tolist(),
        "cells": len(cells),
        "position": position.sum(),
        "top": float(top.sum(dtype="f8")),
        "directions": float(array("layers/0/levels/1/directions.npy").sum(dtype="f8")),
        "attributions": float(attributions.sum(dtype="f8")),
        "pooled": float(pooled.sum()),
        "position_cells": float(array("layers/0/position_cells.npy").sum()),
        "coordinates": float(coordinates.sum()),
        "head": str(cells.head()),
        "head_layer": head["layer"],
        "logits": float(logits.sum()),
        "position_clusters": float(array("head/position_clusters.npy").sum(dtype="f8")),
        "position_cosines": float(scaled("position_cosines").sum()),
        "position_norms": float(scaled("position_norms").sum()),
        "tile_is_png": z.read(f"layers/0/levels/1/tiles/{row}_{col}.png").startswith(b"\x89PNG"),
    },
    sys.stdout,
)
