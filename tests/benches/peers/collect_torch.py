"""What `cargo bench --bench collect` does first, with PyTorch: photographs -> activations of mixed4d, and logits.

    python collect_torch.py WEIGHTS PHOTOS [--n 1000] [--positions 10] [--batch 16] [--workers 2]

Files are decoded and resized by Pillow in the workers of a DataLoader while the network (channels last) runs in this
process. Attribution is left out: it is in our rate, and would be much slower here than everything else.
"""

import argparse
import pathlib
import random
import time

import numpy as np
import torch
from PIL import Image

from inception_v1 import MEAN, Classifier


class Photographs(torch.utils.data.Dataset):
    """Pixels as the network wants them: 224 x 224 from the middle of 256 x 256, blue first."""

    def __init__(self, files):
        self.files = files

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        picture = Image.open(self.files[index]).convert("RGB").resize((256, 256), Image.BILINEAR)
        pixels = np.asarray(picture.crop((16, 16, 240, 240)), dtype=np.float32)[..., ::-1]
        return torch.from_numpy((pixels - np.float32(MEAN)).transpose(2, 0, 1).copy())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights")
    parser.add_argument("photos", type=pathlib.Path)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--positions", type=int, default=10)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model = Classifier(args.weights).eval().to(memory_format=torch.channels_last)
    kept = {}
    dict(model.named_modules())["mixed4d"].register_forward_hook(lambda _, __, out: kept.update(out=out))
    files = sorted(path for path in args.photos.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    files = [files[i * len(files) // args.n] for i in range(min(args.n, len(files)))]
    loader = torch.utils.data.DataLoader(Photographs(files), args.batch, num_workers=args.workers)
    dice = random.Random(0)
    rows, predictions = [], []
    with torch.no_grad():
        x = torch.zeros(args.batch, 3, 224, 224).contiguous(memory_format=torch.channels_last)
        model(x)
        start = time.perf_counter()
        for _ in range(10):
            model(x)
        bare = 10 * args.batch / (time.perf_counter() - start)
        start = time.perf_counter()
        for images in loader:
            logits = model(images.contiguous(memory_format=torch.channels_last))
            predictions.append(logits.argmax(1))
            height, width = kept["out"].shape[2:]
            for image in kept["out"]:
                for _ in range(args.positions):
                    rows.append(image[:, dice.randrange(1, height - 1), dice.randrange(1, width - 1)].clone())
        seconds = time.perf_counter() - start
    print(f"the bare network to its logits, batch {args.batch}: {bare:.1f} images/s")
    print(f"collect without attribution: {len(files) / seconds:.1f} images/s, {len(rows)} activations")


main()
