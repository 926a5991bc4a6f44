"""Speed of the networks beside PyTorch (channels last) and ONNX Runtime, in turns on the same machine.

    ATLASCOPE_DATA=... python network_speed.py [--rounds 3] [--threads 2] [--part WORD]

Needs torch and onnxruntime, and the benchmark's program: it is started once per round through
`cargo bench --bench network`, so that a busy machine is unfair to nobody. Prints the median of the rounds and the
processor milliseconds per item of each; with --threads 1 the latter hardly depend on what else the machine does.
"""

import argparse
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
LINE = re.compile(r"^(.*?) +auto +([\d.]+) \S+ \(.*\), ([\d.]+) ms cpu(?:, (\d+) % of peak)?")
FORWARD = [
    ("inception_v1", 224, 1),
    ("inception_v1", 224, 8),
    ("inception_v1", 224, 32),
    ("efficientnet_lite0", 224, 8),
    ("squeezenet1_1", 227, 8),
]
GRADIENT = {
    "inception_v1 gradient of mixed4d to the image, 224 px, batch 8": (8, 224),
    "inception_v1 gradient of mixed4d to the image, 80 px, batch 16": (16, 80),
}


def images(batch, side):
    return np.random.default_rng(0).uniform(-117, 138, (batch, 3, side, side)).astype(np.float32)


def onnx_parts(threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    for network, side, batch in FORWARD:
        path = DATA / "onnx" / f"{network}.onnx"
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        feed = session.get_inputs()[0]
        x = images(batch, side)
        # A model with a fixed batch takes the images one after the other.
        chunks = np.split(x, batch // feed.shape[0]) if isinstance(feed.shape[0], int) else [x]
        name = f"{network} forward to logits, {side} px, batch {batch}"
        yield name, batch, lambda s=session, f=feed.name, chunks=chunks: [s.run(None, {f: c}) for c in chunks]


def torch_parts(threads):
    torch.set_num_threads(threads)
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

    for name, side, batch in FORWARD:
        if name == "inception_v1":
            x = torch.from_numpy(images(batch, side)).contiguous(memory_format=last)
            yield f"{name} forward to logits, {side} px, batch {batch}", batch, lambda x=x: forward(x)
    for name, (batch, side) in GRADIENT.items():
        x = torch.from_numpy(images(batch, side)).contiguous(memory_format=last).requires_grad_(True)
        yield name, batch, lambda x=x: torch.autograd.grad(up_to_4d(x).sum(), x)


def ours(threads, part):
    command = ["cargo", "bench", "--bench", "network", "--", "--compute", "auto", "--rounds", "1", "--part", part]
    environment = os.environ | {"RAYON_NUM_THREADS": str(threads)}
    done = subprocess.run(command, cwd=HERE.parents[3], check=True, capture_output=True, text=True, env=environment)
    for line in done.stdout.splitlines():
        if found := LINE.match(line):
            yield found[1], float(found[2]), float(found[3]), found[4]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--part", default="")
    args = parser.parse_args()
    parts = [("onnxruntime", *part) for part in onnx_parts(args.threads)]
    parts += [("torch cl", *part) for part in torch_parts(args.threads)]
    parts = [part for part in parts if args.part in part[1]]
    rates, cpu, shares = defaultdict(list), defaultdict(list), defaultdict(list)
    for _ in range(args.rounds):
        for name, rate, milliseconds, share in ours(args.threads, args.part):
            rates[name, "atlascope"].append(rate)
            cpu[name, "atlascope"].append(milliseconds)
            if share:
                shares[name, "atlascope"].append(int(share))
        for label, name, count, run in parts:
            run()
            wall, used = time.perf_counter(), time.process_time()
            run()
            wall, used = time.perf_counter() - wall, time.process_time() - used
            rates[name, label].append(count / wall)
            cpu[name, label].append(used / count * 1e3)
    for name, label in sorted(rates):
        rate, used = statistics.median(rates[name, label]), statistics.median(cpu[name, label])
        share = f", {statistics.median(shares[name, label]):.0f} % of peak" if shares[name, label] else ""
        print(f"{name:<64} {label:<12} {rate:8.1f} /s {used:8.2f} ms cpu{share}")


main()
