"""Icons of dreamlens, to hold ours against.

    python dreamlens_icons.py collect WEIGHTS PHOTOS OUT [--layer mixed4d] [--images 2000] [--cells 16]
    python dreamlens_icons.py render  WEIGHTS DIRECTIONS.npy OUT [--steps 64] [--whitening FILE.npy] ...

`collect` takes activations at random inner positions of photographs, and writes OUT/directions.npy (means of
the activations around some of them, as the cells of an atlas are) and OUT/whitening.npy (inverse second moment).
`render` hands dreamlens the whole classifier with its parameters as they come (the layer is named, which is all that its
API asks for); --cut takes the network only up to the layer and freezes it, which is kinder to it than its own
documentation, and --channels-last also lays it out the way torch prefers. It writes OUT/peer.npy (unit RGB, icons x rows x columns x 3), OUT/peer.png and OUT/peer.json
(icon-steps per second, scores without transforms).
"""

import argparse
import json
import pathlib
import time

import numpy as np
import torch
from PIL import Image

from inception_v1 import Classifier, InceptionV1, preprocess


def photographs(folder, count, rng):
    """`count` pictures of `folder`, by turns from each of its subfolders, 224 x 224 (via 256, as the network wants)."""
    classes = [sorted(path.iterdir()) for path in sorted(pathlib.Path(folder).rglob("n*")) if path.is_dir()]
    for files in classes:
        rng.shuffle(files)
    turns = [files[turn] for turn in range(max(map(len, classes))) for files in classes if turn < len(files)]
    for path in turns[:count]:
        picture = Image.open(path).convert("RGB").resize((256, 256), Image.BILINEAR)
        yield np.asarray(picture.crop((16, 16, 240, 240)), dtype=np.float32) / 255.0


def collect(args):
    rng = np.random.default_rng(args.seed)
    model = InceptionV1(args.weights, args.layer)
    rows, batch = [], []

    def run():
        with torch.no_grad():
            images = torch.from_numpy(np.stack(batch)).permute(0, 3, 1, 2)
            activation = model(preprocess(images)).numpy()
        height, width = activation.shape[2:]
        for image in activation:
            for _ in range(args.positions):
                rows.append(image[:, rng.integers(1, height - 1), rng.integers(1, width - 1)])
        batch.clear()

    for photograph in photographs(args.photos, args.images, rng):
        batch.append(photograph)
        if len(batch) == 16:
            run()
    if batch:
        run()
    activations = np.stack(rows).astype(np.float64)
    moment = activations.T @ activations / len(activations)
    ridge = args.ridge * np.trace(moment) / len(moment)
    inverse = np.linalg.inv(moment + ridge * np.eye(len(moment)))
    unit = activations / np.linalg.norm(activations, axis=1, keepdims=True)
    seeds = rng.choice(len(activations), args.cells, replace=False)
    cells = []
    for seed in seeds:
        nearest = np.argsort(-(unit @ unit[seed]))[: args.members]
        cells.append(activations[nearest].mean(0))
    out = pathlib.Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    np.save(out / "directions.npy", np.stack(cells).astype(np.float32))
    np.save(out / "whitening.npy", inverse.astype(np.float32))
    np.save(out / "activations.npy", activations.astype(np.float32))
    print(json.dumps({"activations": len(activations), "mean norm": float(np.linalg.norm(activations, axis=1).mean())}))


def render(args):
    import dreamlens.render as peer

    torch.manual_seed(args.seed)
    np.random.seed(args.seed)
    torch.set_num_threads(args.threads)
    model = InceptionV1(args.weights, args.layer) if args.cut else Classifier(args.weights)
    if args.channels_last:
        model = model.to(memory_format=torch.channels_last)
    directions = np.load(args.directions).astype(np.float32)
    whitening = np.load(args.whitening) if args.whitening else None
    start, processor = time.perf_counter(), time.process_time()
    icons, _ = peer.render_icons(
        directions,
        model,
        args.layer,
        size=args.size,
        n_steps=args.steps,
        S=whitening,
        num_attempts=args.attempts,
        preprocess=preprocess,
    )
    seconds, processor = time.perf_counter() - start, time.process_time() - processor
    icons = np.stack(icons)
    targets = torch.from_numpy(directions if whitening is None else directions @ whitening)
    with torch.no_grad():
        judge = InceptionV1(args.weights, args.layer)
        activation = judge(preprocess(torch.from_numpy(icons).permute(0, 3, 1, 2)))
        scores = peer._direction_scores(activation, targets)
    out = pathlib.Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    np.save(out / "peer.npy", icons.astype(np.float32))
    columns = 8
    icons = np.concatenate([icons, np.ones((-len(icons) % columns, *icons.shape[1:]), icons.dtype)])
    grid = icons.reshape(-1, columns, args.size, args.size, 3).transpose(0, 2, 1, 3, 4)
    sheet = grid.reshape(-1, columns * args.size, 3)
    Image.fromarray((sheet * 255).round().astype(np.uint8)).save(out / "peer.png")
    report = {
        "processor_ms_per_icon_step": processor * 1e3 / (len(directions) * args.steps * args.attempts),
        "icon_steps_per_second": len(directions) * args.steps * args.attempts / seconds,
        "scores": scores.tolist(),
        "mean": icons.mean((0, 1, 2)).tolist(),
        "std": icons.std((0, 1, 2)).tolist(),
    }
    (out / "peer.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layer", default="mixed4d")
    parser.add_argument("--seed", type=int, default=0)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("collect")
    command.add_argument("weights")
    command.add_argument("photos")
    command.add_argument("out")
    command.add_argument("--images", type=int, default=2000)
    command.add_argument("--positions", type=int, default=8)
    command.add_argument("--cells", type=int, default=16)
    command.add_argument("--members", type=int, default=24)
    command.add_argument("--ridge", type=float, default=1e-3)
    command.set_defaults(run=collect)
    command = commands.add_parser("render")
    command.add_argument("weights")
    command.add_argument("directions")
    command.add_argument("out")
    command.add_argument("--steps", type=int, default=64)
    command.add_argument("--size", type=int, default=80)
    command.add_argument("--attempts", type=int, default=1)
    command.add_argument("--whitening")
    command.add_argument("--cut", action="store_true")
    command.add_argument("--channels-last", action="store_true")
    command.add_argument("--threads", type=int, default=2)
    command.set_defaults(run=render)
    args = parser.parse_args()
    args.run(args)


main()
