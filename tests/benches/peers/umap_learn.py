"""The peer of `cargo bench --bench layout`: umap-learn on the same activations, with the same columns.

    python tests/benches/peers/umap_learn.py ACTIVATIONS.npy [--k 15] [--min-dist 0.1] [--epochs 0] [--seed S] [--check]

Without --seed umap-learn runs in parallel and differs from run to run. --check compares the sampled
trustworthiness used here with scikit-learn's on the first 2,000 rows.
"""

import argparse
import resource
import time

import numpy as np

QUERIES = 2000


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def timed(name, work):
    wall, cpu = time.time(), cpu_seconds()
    value = work()
    print(f"{name:<11} {time.time() - wall:6.1f} wall {cpu_seconds() - cpu:6.1f} cpu", flush=True)
    return value


def unit(rows):
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norms > 0, norms, 1)


def map_quality(rows, position, k, queries):
    """Trustworthiness (Venna & Kaski 2001) and neighbour recall at the queries, cosine in activation space."""
    n = len(rows)
    rows = unit(rows)
    penalty = hits = 0
    for q in queries:
        true = 1 - rows @ rows[q]
        true[q] = -1
        rank = np.empty(n, int)
        rank[np.argsort(true, kind="stable")] = np.arange(n)
        seen = ((position - position[q]) ** 2).sum(1)
        seen[q] = np.inf
        near = np.argsort(seen, kind="stable")[:k]
        penalty += np.maximum(0, rank[near] - k).sum()
        hits += (rank[near] <= k).sum()
    trust = 1 - 2 * penalty / (len(queries) * k * (2 * n - 3 * k - 1))
    return trust, hits / (len(queries) * k)


def occupancy(position, grid):
    """Share of a grid's squares that hold a point, after the article's percentile normalisation."""
    cells = []
    for axis in position.T:
        low, high = np.percentile(axis, [1, 99])
        low -= 0.1 * (high - low)
        high += 0.1 * (high - low)
        axis = np.clip(axis, low, high)
        axis = (axis - axis.min()) / (axis.max() - axis.min())
        cells.append(np.minimum((axis * grid).astype(int), grid - 1))
    return len(set(zip(*cells))) / grid**2


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("activations")
    parser.add_argument("--k", type=int, default=15)
    parser.add_argument("--min-dist", type=float, default=0.1)
    parser.add_argument("--epochs", type=int, default=0)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    rows = np.load(args.activations)

    import umap
    from umap.umap_ import nearest_neighbors

    def reducer(**more):
        return umap.UMAP(
            n_neighbors=args.k,
            min_dist=args.min_dist,
            metric="cosine",
            n_epochs=args.epochs or None,
            random_state=args.seed,
            **more,
        )

    # Compile first, so that the columns hold work only.
    umap.UMAP(n_neighbors=5, metric="cosine", n_epochs=5).fit(rows[:5000])

    knn = timed(
        "neighbours",
        lambda: nearest_neighbors(
            rows, args.k, "cosine", {}, False, np.random.RandomState(args.seed)
        ),
    )
    rng = np.random.default_rng(2)
    queries = rng.choice(len(rows), min(QUERIES, len(rows)), replace=False)
    scaled = unit(rows)
    hits = 0
    for q in queries:
        similarity = scaled @ scaled[q]
        similarity[q] = -np.inf
        truth = np.argpartition(-similarity, args.k - 1)[: args.k - 1]
        hits += np.isin(knn[0][q][knn[0][q] != q], truth).sum()
    print(f"            recall@{args.k - 1} {hits / len(queries) / (args.k - 1):.4f}")
    position = timed("layout", lambda: reducer(precomputed_knn=knn).fit_transform(rows))
    trust, recall = map_quality(rows, position, 15, queries)
    print(f"trust@15 {trust:.4f}  recall@15 on the map {recall:.3f}")
    for grid in (10, 20, 40):
        print(f"occupied    {grid:3} x {grid:<3} {100 * occupancy(position, grid):5.1f} %")
    if args.check:
        from sklearn.manifold import trustworthiness

        some, there = rows[:2000], position[:2000]
        ours, _ = map_quality(some, there, 15, np.arange(len(some)))
        theirs = trustworthiness(some, there, n_neighbors=15, metric="cosine")
        print(f"check: {ours:.6f} here, {theirs:.6f} scikit-learn")


if __name__ == "__main__":
    main()
