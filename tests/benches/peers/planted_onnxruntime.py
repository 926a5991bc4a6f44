"""Logits of the planted networks by onnxruntime on one fixed pattern: fixtures/planted/onnxruntime.json.

    python tests/benches/peers/planted_onnxruntime.py fixtures/planted [FOLDER]

FOLDER/NET/net.onnx are the fine-tuned networks, of which only the last block is kept (`cargo bench --bench planted --
images NET FOLDER/NET` writes them).
"""

import glob
import json
import os
import sys

import numpy as np
import onnxruntime

root, *folder = sys.argv[1:]
found = {}
for path in sorted(path for place in [root, *folder] for path in glob.glob(f"{place}/*/net.onnx")):
    name = path.split(os.sep)[-2]
    side = json.load(open(f"{root}/{name}/truth.json"))["side"]
    channel, row, column = np.mgrid[0:3, 0:side, 0:side]
    pattern = ((channel * 41 + row * 13 + column * row + column * 29) % 251).astype(np.float32) / np.float32(60) - np.float32(2)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"input": pattern[None]})
    found[name] = [float(value) for value in logits[0]]
with open(f"{root}/onnxruntime.json", "w") as file:
    json.dump(found, file, indent=1, sort_keys=True)
    file.write("\n")
