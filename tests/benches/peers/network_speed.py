"""Speed of the network beside PyTorch (channels last) and ONNX Runtime, in turns on the same machine.

    ATLASCOPE_DATA=... python network_speed.py [ROUNDS]

Needs torch and onnxruntime, and the benchmark's program: it is started once per round through
`cargo bench --bench network`, so that a busy machine is unfair to nobody. Prints the median of the rounds and the
processor milliseconds per item of each.
"""

import os
import re
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import onnxruntime
import torch

HERE = Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[3] / "fixtures" / "reference"))
from make_inception_v1 import Network, load  # noqa: E402

DATA = Path(os.environ["ATLASCOPE_DATA"])
THREADS = 2
LINE = re.compile(r"^(.*?) +auto +([\d.]+) \S+ \(.*\), ([\d.]+) ms cpu")
FORWARD = {f"forward to logits, 224 px, batch {n}": n for n in (1, 8, 32)}
GRADIENT = {
    "gradient of mixed4d to the image, 224 px, batch 8": (8, 224),
    "gradient of mixed4d to the image, 80 px, batch 16": (16, 80),
}


def images(batch, side):
    return np.random.default_rng(0).uniform(-117, 138, (batch, 3, side, side)).astype(np.float32)


def onnx_parts():
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    path = DATA / "onnx" / "inception_v1.onnx"
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    feed = session.get_inputs()[0]
    fixed = isinstance(feed.shape[0], int)
    for name, batch in FORWARD.items():
        x = images(batch, 224)
        # A model with a fixed batch takes the images one after the other.
        chunks = np.split(x, batch // feed.shape[0]) if fixed else [x]
        yield name, batch, lambda chunks=chunks: [session.run(None, {feed.name: c}) for c in chunks]


def torch_parts():
    torch.set_num_threads(THREADS)
    last = torch.channels_last
    weights = load(str(DATA / "inception_v1" / "weights.safetensors"))
    weights = {name: value.float() for name, value in weights.items()}
    weights = {n: v.contiguous(memory_format=last) if v.dim() == 4 else v for n, v in weights.items()}
    network = Network(weights)

    def up_to_4d(x):
        x = network.stem(x)
        for block in ["mixed3a", "mixed3b", "mixed4a", "mixed4b", "mixed4c", "mixed4d"]:
            x = network.mixed(network.pool(x, 2) if block == "mixed4a" else x, block)
        return x

    def forward(x):
        with torch.no_grad():
            network.blocks(network.stem(x))

    for name, batch in FORWARD.items():
        x = torch.from_numpy(images(batch, 224)).contiguous(memory_format=last)
        yield name, batch, lambda x=x: forward(x)
    for name, (batch, side) in GRADIENT.items():
        x = torch.from_numpy(images(batch, side)).contiguous(memory_format=last).requires_grad_(True)
        yield name, batch, lambda x=x: torch.autograd.grad(up_to_4d(x).sum(), x)


def ours():
    command = ["cargo", "bench", "--bench", "network", "--", "--compute", "auto", "--rounds", "1"]
    done = subprocess.run(command, cwd=HERE.parents[3], check=True, capture_output=True, text=True)
    for line in done.stdout.splitlines():
        if found := LINE.match(line):
            yield found[1], float(found[2]), float(found[3])


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    parts = [("onnxruntime", *part) for part in onnx_parts()]
    parts += [("torch cl", *part) for part in torch_parts()]
    rates, cpu = defaultdict(list), defaultdict(list)
    for _ in range(rounds):
        for name, rate, milliseconds in ours():
            rates[name, "atlascope"].append(rate)
            cpu[name, "atlascope"].append(milliseconds)
        for label, name, count, run in parts:
            run()
            wall, used = time.perf_counter(), time.process_time()
            run()
            wall, used = time.perf_counter() - wall, time.process_time() - used
            rates[name, label].append(count / wall)
            cpu[name, label].append(used / count * 1e3)
    for name, label in sorted(rates):
        rate, used = statistics.median(rates[name, label]), statistics.median(cpu[name, label])
        print(f"{name:<52} {label:<12} {rate:8.1f} /s {used:8.1f} ms cpu")


main()
