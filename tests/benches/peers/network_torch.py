"""The lines of `cargo bench --bench network`, measured with PyTorch on the same weights.

    python network_torch.py WEIGHTS.safetensors [THREADS]
"""

import statistics
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "fixtures" / "reference"))
from make_inception_v1 import Network, load  # noqa: E402

ROUNDS = 3


def images(batch, side, layout):
    index = torch.arange(batch * 3 * side * side)
    values = ((index * 2654435761) >> 7) % 256 - 117.0
    return values.float().reshape(batch, 3, side, side).contiguous(memory_format=layout)


def upto(network, x, name):
    """As `Network.blocks`, but nothing behind `name` is run."""
    x = network.stem(x)
    for block in ["mixed3a", "mixed3b", "mixed4a", "mixed4b", "mixed4c", "mixed4d"]:
        if block == "mixed4a":
            x = network.pool(x, 2)
        x = network.mixed(x, block)
        if block == name:
            return x
    return network.blocks(x, block)[name]


def forward(network, batch, to, layout):
    x = images(batch, 224, layout)

    def run():
        with torch.no_grad():
            if to == "logits":
                network.blocks(network.stem(x))
            else:
                upto(network, x, to)

    return f"forward to {to}, 224 px, batch {batch}", "images/s", batch, run


def gradient(network, batch, side, name, layout):
    x = images(batch, side, layout).requires_grad_(True)

    def run():
        torch.autograd.grad(upto(network, x, name).sum(), x)

    return f"gradient of {name} to the image, {side} px, batch {batch}", "images/s", batch, run


def attribution(network, positions, name):
    """Forward mode with one tangent per position over one primal, whole maps, as torch.func offers it."""
    relaxed = Network(network.weights, relaxed=True)
    with torch.no_grad():
        h = upto(network, images(1, 224, torch.contiguous_format), name)
    rows, cols = h.shape[2:]
    tangents = torch.zeros(positions, *h.shape)
    for i in range(positions):
        r, c = 1 + i * 5 % (rows - 2), 1 + i * 3 % (cols - 2)
        tangents[i, :, :, r, c] = h[:, :, r, c]
    tail = lambda h: relaxed.blocks(h, name)["logits"]  # noqa: E731

    def run():
        with torch.no_grad():
            torch.func.vmap(lambda t: torch.func.jvp(tail, (h,), (t,))[1])(tangents)

    return f"attribution at {name}, {positions} positions", "positions/s", positions, run


def main():
    torch.set_num_threads(int(sys.argv[2]) if len(sys.argv) > 2 else 2)
    weights = {name: value.float() for name, value in load(sys.argv[1]).items()}
    last = {
        name: value.contiguous(memory_format=torch.channels_last) if value.dim() == 4 else value
        for name, value in weights.items()
    }
    for label, tensors, layout in [
        ("torch", weights, torch.contiguous_format),
        ("torch cl", last, torch.channels_last),
    ]:
        network = Network(tensors)
        parts = [
            forward(network, 1, "logits", layout),
            forward(network, 8, "logits", layout),
            forward(network, 32, "logits", layout),
            forward(network, 8, "mixed4d", layout),
            gradient(network, 8, 224, "logits", layout),
            gradient(network, 8, 224, "mixed4d", layout),
            gradient(network, 16, 80, "mixed4d", layout),
        ]
        if label == "torch":
            parts += [attribution(network, 40, name) for name in ("mixed3b", "mixed4d")]
        for name, unit, count, run in parts:
            run()
            rates = []
            for _ in range(ROUNDS):
                start = time.perf_counter()
                run()
                rates.append(count / (time.perf_counter() - start))
            print(f"{name:<52} {label:<10} {statistics.median(rates):8.1f} {unit} ({min(rates):.1f}..{max(rates):.1f})")


main()
