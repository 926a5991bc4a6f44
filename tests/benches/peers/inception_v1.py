"""InceptionV1 (BVLC) as a torch module, whole or up to one layer, for peers that want modules with names."""

import json
import struct

import numpy as np
import torch
import torch.nn.functional as F

BLOCKS = ["mixed3a", "mixed3b", "mixed4a", "mixed4b", "mixed4c", "mixed4d", "mixed4e", "mixed5a", "mixed5b"]
MEAN = (104.0, 117.0, 123.0)


def load(path):
    """Tensors of a safetensors file by name."""
    with open(path, "rb") as file:
        data = file.read()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        raw = np.frombuffer(data[8 + length + start : 8 + length + end], dtype="<f4")
        tensors[name] = torch.from_numpy(raw.reshape(entry["shape"]).copy())
    return tensors


def preprocess(unit_rgb):
    """[b, 3, h, w] in 0..1, red first -> the network's units, blue first."""
    mean = torch.tensor(MEAN, dtype=unit_rgb.dtype, device=unit_rgb.device).view(1, 3, 1, 1)
    return unit_rgb.flip(1) * 255.0 - mean


def pool(x):
    """3 x 3, stride 2, size rounded up."""
    return F.max_pool2d(x, 3, 2, ceil_mode=True)


class Conv(torch.nn.Module):
    """Convolution and ReLU."""

    def __init__(self, weights, name, stride=1):
        super().__init__()
        weight = weights[f"{name}_pre_relu_conv.weight"]
        out, depth, kernel, _ = weight.shape
        self.conv = torch.nn.Conv2d(depth, out, kernel, stride, kernel // 2)
        self.conv.weight.data.copy_(weight)
        self.conv.bias.data.copy_(weights[f"{name}_pre_relu_conv.bias"])

    def forward(self, x):
        return F.relu(self.conv(x))


class Mixed(torch.nn.Module):
    """One inception block."""

    def __init__(self, weights, name):
        super().__init__()
        self.direct = Conv(weights, f"{name}_1x1")
        self.three = torch.nn.Sequential(Conv(weights, f"{name}_3x3_bottleneck"), Conv(weights, f"{name}_3x3"))
        self.five = torch.nn.Sequential(Conv(weights, f"{name}_5x5_bottleneck"), Conv(weights, f"{name}_5x5"))
        self.pool = Conv(weights, f"{name}_pool_reduce")

    def forward(self, x):
        pooled = F.max_pool2d(x, 3, 1, 1)
        return torch.cat([self.direct(x), self.three(x), self.five(x), self.pool(pooled)], 1)


class InceptionV1(torch.nn.Module):
    """The network from preprocessed images to the block `last`; nothing behind it is built."""

    def __init__(self, path, last="mixed5b"):
        super().__init__()
        weights = load(path)
        self.conv2d0 = Conv(weights, "conv2d0", 2)
        self.conv2d1 = Conv(weights, "conv2d1")
        self.conv2d2 = Conv(weights, "conv2d2")
        self.names = BLOCKS[: BLOCKS.index(last) + 1]
        for name in self.names:
            setattr(self, name, Mixed(weights, name))
        self.eval().requires_grad_(False)

    def forward(self, x):
        x = F.local_response_norm(pool(self.conv2d0(x)), 5, 1e-4, 0.75, 1.0)
        x = self.conv2d2(self.conv2d1(x))
        x = pool(F.local_response_norm(x, 5, 1e-4, 0.75, 1.0))
        for name in self.names:
            if name in ("mixed4a", "mixed5a"):
                x = pool(x)
            x = getattr(self, name)(x)
        return x


class Classifier(InceptionV1):
    """The whole network with its classifier and trainable parameters, as a model zoo hands it out."""

    def __init__(self, path):
        super().__init__(path)
        weights = load(path)
        self.logits = torch.nn.Linear(1024, 1000)
        self.logits.weight.data.copy_(weights["softmax2_pre_activation_matmul.weight"])
        self.logits.bias.data.copy_(weights["softmax2_pre_activation_matmul.bias"])
        self.eval().requires_grad_(True)

    def forward(self, x):
        return self.logits(super().forward(x).mean((2, 3)))
