"""Where gradients of the same network differ by more than rounding: PyTorch in single precision beside itself in double.

    python tests/benches/peers/onnx_kinks.py [NAME...]

A ReLU's slope jumps at 0 and a max pool's gradient goes to its winner. Where an input hardly varies, as random images in an
untrained network do, many values lie so near to a kink that rounding decides; each choice moves the gradient by a jump, not
by a rounding. For each architecture of onnx_models.py this prints the largest difference of the gradient to the image (as a
share of its largest number, as `cargo bench --bench onnx` does): single precision beside double, and once more with the
double-precision run made to choose as the single-precision one did; and how many choices differed.
"""

import sys

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from onnx_models import CASES, build

RELU = (torch.relu, torch.relu_, torch.nn.functional.relu, torch.Tensor.relu, torch.Tensor.relu_)
POOL = (torch.max_pool2d, torch.nn.functional.max_pool2d)


class Choices(TorchFunctionMode):
    """Writes down every choice of a ReLU or max pool, or makes those that were written down."""

    def __init__(self, made=None):
        super().__init__()
        self.made, self.given, self.differ, self.count = [], made, 0, 0

    def choose(self, own):
        self.made.append(own)
        self.count += own.numel()
        if self.given is None:
            return own
        given = self.given[len(self.made) - 1]
        self.differ += int((own != given).sum())
        return given

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func in RELU:
            mask = self.choose(args[0] > 0)
            return args[0] * mask
        if func in POOL:
            kwargs = {key: value for key, value in kwargs.items() if key != "return_indices"}
            pooled, winners = torch.nn.functional.max_pool2d_with_indices(*args, **kwargs)
            winners = self.choose(winners)
            return args[0].flatten(2).gather(2, winners.flatten(2)).reshape(pooled.shape)
        return func(*args, **kwargs)


def gradient(model, image, choices):
    leaf = image.clone().requires_grad_()
    with choices:
        logits = model(leaf)
    (logits * torch.sin(torch.arange(logits.shape[1]))).sum().backward()
    return leaf.grad.double()


def main():
    torch.set_num_threads(1)
    print(f"{'architecture':<22} {'f32 to f64':>10} {'same choices':>12}  choices that differ")
    for name, size in CASES:
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        image = torch.from_numpy(np.random.default_rng(3).standard_normal((2, 3, size, size), dtype=np.float32))
        model = build(name, 7)
        single = Choices()
        found = gradient(model, image, single)
        model = model.double()
        free = Choices(single.made)
        free.choose = lambda own, free=free: (Choices.choose(free, own), own)[1]
        exact = gradient(model, image.double(), free)
        forced = gradient(model, image.double(), Choices(single.made))
        share = lambda a, b: float((a - b).abs().max() / b.abs().max())
        print(f"{name:<22} {share(found, exact):>10.1e} {share(found, forced):>12.1e}  {free.differ} of {free.count}", flush=True)


main()
