"""Lists of suspicious groups of images by other methods, on the networks and images of the planted benchmark.

    cargo bench --bench planted -- images NET FOLDER/NET          (for every NET)
    python tests/benches/peers/planted_baselines.py fixtures/planted FOLDER NET...

writes fixtures/planted/baselines.json, method -> network -> entries [class, [image, ...]], most suspicious first, ten
images each, numbered in the order of their paths. Entries of networks that are not named stay as they are.

Needs torch, onnx, scikit-learn, pillow, zennit 0.5.1 and corelay 1.0. The methods:

  raw attribution   k-means cells of activations, by mean attribution of the class: what an atlas shows
  cells, share x rarity   the same cells, by share of the class among the members x share of its images without the cell
  NPFV              class-wise principal components of features x weights, by eigenvalue (Neuhaus et al., ICCV 2023)
  SpRAy             spectral clusters of a class's heat maps (zennit EpsilonPlusFlat, corelay), by Fisher separability,
                    and the smallest clusters first (Lapuschkin et al. 2019; Anders et al. 2022)
  Domino            the error-aware mixture of Eyuboglu et al. (ICLR 2022), re-implemented: worst slices first, and easiest
"""

import json
import os
import sys

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from PIL import Image
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import PCA

SEED = 0
N_CELLS = 600
MOST = 20
TEN = 10


class Network(torch.nn.Module):
    """An ONNX file's layers; after a forward pass `block` holds the activations of the last block."""

    def __init__(self, path):
        super().__init__()
        graph = onnx.load(path).graph
        halves = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        values = {}
        self.input, self.steps, self.layers = graph.input[0].name, [], torch.nn.ModuleList()
        for node in graph.node:
            ints = {a.name: list(a.ints) or a.i for a in node.attribute}
            if node.op_type == "Cast":
                values[node.output[0]] = torch.tensor(halves[node.input[0]].astype(np.float32))
                continue
            self.layers.append(self.layer(node, ints, [values[name] for name in node.input[1:] if name in values]))
            inputs = [name for name in node.input if name not in values]
            self.steps.append((inputs, node.output[0]))
            if node.op_type == "Relu":
                self.last = node.output[0]
            if node.op_type == "Gemm":
                self.head = self.layers[-1].weight.data.numpy()
        self.eval()

    @staticmethod
    def layer(node, ints, values):
        if node.op_type == "Conv":
            weight, bias = values
            conv = torch.nn.Conv2d(weight.shape[1], weight.shape[0], ints["kernel_shape"], ints["strides"], ints["pads"][:2])
            conv.weight.data, conv.bias.data = weight, bias
            return conv
        if node.op_type == "Gemm":
            weight, bias = values
            linear = torch.nn.Linear(weight.shape[1], weight.shape[0])
            linear.weight.data, linear.bias.data = weight, bias
            return linear
        if node.op_type == "MaxPool":
            return torch.nn.MaxPool2d(ints["kernel_shape"], ints["strides"])
        others = {
            "Relu": torch.nn.ReLU,
            "GlobalAveragePool": lambda: torch.nn.AdaptiveAvgPool2d(1),
            "Flatten": torch.nn.Flatten,
            "Concat": Concat,
        }
        return others[node.op_type]()

    def forward(self, images):
        values = {self.input: images}
        for layer, (inputs, output) in zip(self.layers, self.steps):
            values[output] = layer(*(values[name] for name in inputs))
        self.block = values[self.last]
        return values[self.steps[-1][1]]


class Concat(torch.nn.Module):
    def forward(self, *parts):
        return torch.cat(parts, 1)


def photographs(folder, classes, truth):
    """Preprocessed images [n, 3, side, side] and labels, in the order of their paths."""
    paths = sorted(f"{c}/{name}" for c in classes for name in os.listdir(f"{folder}/{c}"))
    pixels = np.stack([np.asarray(Image.open(f"{folder}/{path}").convert("RGB")) for path in paths])
    images = (pixels.astype(np.float32) - truth["mean"]) / truth["scale"]
    labels = np.array([classes.index(path.split("/")[0]) for path in paths])
    return torch.tensor(images.transpose(0, 3, 1, 2)), labels


def run(net, images):
    """Activations of the last block [n, depth, positions] and logits."""
    activations, logits = [], []
    with torch.no_grad():
        for batch in images.split(50):
            logits.append(net(batch).numpy())
            activations.append(net.block.flatten(2).numpy())
    return np.concatenate(activations), np.concatenate(logits)


def first_per_image(order, image_of, n):
    """The first n different images in this order."""
    found = list(dict.fromkeys(int(image_of[i]) for i in order))
    return found[:n]


def cells(activations, labels, head):
    """Two lists from k-means cells of three positions an image: two of highest attribution, one at random."""
    rng = np.random.default_rng(SEED)
    n, depth, positions = activations.shape
    centred = head - head.mean(0)
    own = np.einsum("nds,nd->ns", activations, centred[labels])
    strongest = np.argsort(-own, 1)[:, :2]
    chosen = np.concatenate([strongest, rng.integers(0, positions, (n, 1))], 1)
    image_of = np.repeat(np.arange(n), 3)
    vectors = activations[image_of, :, chosen.ravel()]
    unit = vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-9)
    cell_of = MiniBatchKMeans(N_CELLS, random_state=SEED, n_init=1, batch_size=4096).fit_predict(unit)
    attribution = vectors @ centred.T / positions
    n_images = np.bincount(labels, minlength=len(head))
    candidates = []
    for cell in range(N_CELLS):
        members = np.flatnonzero(cell_of == cell)
        for c in range(len(head)):
            own = members[labels[image_of[members]] == c]
            with_cell = len(set(image_of[own]))
            if with_cell < TEN:
                continue
            score = attribution[members, c].mean()
            share = len(own) / len(members)
            rare = share * (1 - with_cell / n_images[c]) * (score > 0)
            exemplars = first_per_image(own[np.argsort(-attribution[own, c])], image_of, TEN)
            mean = unit[members].mean(0)
            candidates.append((score, rare, c, exemplars, mean / np.linalg.norm(mean)))
    lists = []
    for key in (0, 1):
        kept = []
        for one in sorted(candidates, key=lambda one: -one[key]):
            near = any(one[2] == other[2] and one[4] @ other[4] > 0.9 for other in kept)
            if not near:
                kept.append(one)
            if len(kept) == MOST:
                break
        lists.append([[one[2], one[3]] for one in kept])
    return {"raw attribution": lists[0], "cells, share x rarity": lists[1]}


def npfv(features, labels, head):
    entries = []
    for c, weights in enumerate(head):
        own = np.flatnonzero(labels == c)
        psi = features[own] * weights
        psi = psi - psi.mean(0)
        values, vectors = np.linalg.eigh(psi.T @ psi / len(own))
        for l in np.argsort(-values)[:TEN]:
            alpha = vectors[:, l].sum() * (psi @ vectors[:, l])
            entries.append((values[l], c, own[np.argsort(-alpha)[:TEN]].tolist()))
    entries.sort(key=lambda entry: -entry[0])
    return {"NPFV": [[c, images] for _, c, images in entries[:MOST]]}


def spray(net, images, labels, n_classes):
    from corelay.pipeline.spectral import SpectralClustering
    from corelay.processor.clustering import KMeans
    from corelay.processor.embedding import EigenDecomposition
    from zennit.attribution import Gradient
    from zennit.composites import EpsilonPlusFlat

    entries = []
    for c in range(n_classes):
        own = np.flatnonzero(labels == c)
        maps = []
        with Gradient(net, EpsilonPlusFlat()) as attributor:
            for batch in images[own].split(50):
                target = torch.eye(n_classes)[[c] * len(batch)]
                _, relevance = attributor(batch, target)
                small = torch.nn.functional.adaptive_avg_pool2d(relevance.sum(1, keepdim=True), 16)
                maps.append(small.flatten(1).detach().numpy())
        maps = np.concatenate(maps)
        maps = maps / (np.abs(maps).sum(1, keepdims=True) + 1e-9)
        pipeline = SpectralClustering(
            embedding=EigenDecomposition(n_eigval=8, is_output=True),
            clustering=KMeans(n_clusters=8, is_output=True, kwargs={"random_state": SEED, "n_init": 4}),
        )
        (_, embedding), cluster_of = pipeline(maps)
        for cluster in range(8):
            inside = cluster_of == cluster
            if inside.sum() < TEN or (~inside).sum() < 2:
                continue
            difference = embedding[inside].mean(0) - embedding[~inside].mean(0)
            within = np.cov(embedding[inside].T) * inside.mean() + np.cov(embedding[~inside].T) * (1 - inside.mean())
            fisher = difference @ np.linalg.solve(within + 1e-6 * np.eye(len(within)), difference)
            distance = np.linalg.norm(embedding[inside] - embedding[inside].mean(0), axis=1)
            exemplars = own[inside][np.argsort(distance)[:TEN]].tolist()
            entries.append((fisher, inside.sum(), c, exemplars))
    by = lambda key: [[c, images] for *_, c, images in sorted(entries, key=key)[:MOST]]
    return {"SpRAy": by(lambda e: -e[0]), "SpRAy, smallest first": by(lambda e: e[1])}


def domino(features, labels, logits):
    """Mixture of diagonal Gaussians in the features and categoricals in label and prediction."""
    n_classes = logits.shape[1]
    z = PCA(min(32, features.shape[1]), random_state=SEED).fit_transform(features)
    z /= z.std()
    probabilities = np.exp(logits - logits.max(1, keepdims=True))
    probabilities /= probabilities.sum(1, keepdims=True)
    one_hot = np.eye(n_classes)[labels]
    k = 5 * n_classes
    rng = np.random.default_rng(SEED)
    start = MiniBatchKMeans(k, random_state=SEED, n_init=1).fit_predict(np.hstack([z, 3 * one_hot]))
    responsibility = np.eye(k)[start] * 0.9 + 0.1 / k + 1e-6 * rng.random((len(z), k))
    responsibility /= responsibility.sum(1, keepdims=True)
    for _ in range(60):
        mass = responsibility.sum(0) + 1e-6
        prior = mass / mass.sum()
        mean = responsibility.T @ z / mass[:, None]
        variance = np.maximum(responsibility.T @ z**2 / mass[:, None] - mean**2, 0) + 1e-2
        y = (responsibility.T @ one_hot + 1e-3) / (mass[:, None] + 1e-3 * n_classes)
        y_hat = (responsibility.T @ probabilities + 1e-3) / (mass[:, None] + 1e-3 * n_classes)
        log = np.log(prior) + one_hot @ np.log(y).T + probabilities @ np.log(y_hat).T
        log -= 0.5 * (z**2 @ (1 / variance).T - 2 * z @ (mean / variance).T + (mean**2 / variance).sum(1) + np.log(variance).sum(1))
        responsibility = np.exp(log - log.max(1, keepdims=True))
        responsibility /= responsibility.sum(1, keepdims=True)
    wrong = 1 - probabilities[np.arange(len(labels)), labels]
    mass = responsibility.sum(0)
    error = responsibility.T @ wrong / (mass + 1e-9)
    entries = []
    for slice_ in range(k):
        members = np.flatnonzero(responsibility.argmax(1) == slice_)
        if len(members) < TEN:
            continue
        c = int(np.bincount(labels[members]).argmax())
        exemplars = members[np.argsort(-log[members, slice_])[:TEN]].tolist()
        entries.append((error[slice_], c, exemplars))
    by = lambda sign: [[c, images] for _, c, images in sorted(entries, key=lambda e: sign * e[0])[:MOST]]
    return {"Domino": by(-1), "Domino, easiest first": by(1)}


def main():
    fixtures, folder, *names = sys.argv[1:]
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    out = f"{fixtures}/baselines.json"
    frozen = json.load(open(out)) if os.path.exists(out) else {}
    for name in names:
        truth = json.load(open(f"{fixtures}/{name}/truth.json"))
        whole = f"{fixtures}/{name}/net.onnx"
        # Of a fine-tuned network only the last block is kept; all of it was written beside its images.
        net = Network(whole if os.path.exists(whole) else f"{folder}/{name}/net.onnx")
        head = net.head
        images, labels = photographs(f"{folder}/{name}/images", truth["classes"], truth)
        activations, logits = run(net, images)
        features = activations.mean(2)
        accuracy = (logits.argmax(1) == labels).mean()
        assert abs(accuracy - truth["accuracy"]) < 2e-3, (accuracy, truth["accuracy"])
        found = cells(activations, labels, head)
        found |= npfv(features, labels, head)
        found |= spray(net, images, labels, len(head))
        found |= domino(features, labels, logits)
        for method, entries in found.items():
            frozen.setdefault(method, {})[name] = entries
        print(name, f"accuracy {accuracy:.3f}", {method: len(entries) for method, entries in found.items()}, flush=True)
        with open(out, "w") as file:
            json.dump(frozen, file, sort_keys=True, separators=(",", ":"))
            file.write("\n")


if __name__ == "__main__":
    main()
