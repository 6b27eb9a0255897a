"""An isolation forest that is kept small and scores quickly.

    reference rows ─grow (scikit-learn's random trees)─> Forest ─scores(rows)─> > 1: isolated

Liu, Ting and Zhou, *Isolation Forest* (2008): a row that few random cuts set apart is an anomaly;
its score is 2^(−mean depth / c(n)). scikit-learn's own class says the same to the last digit, but
takes four times as long to grow sixty trees, three times to score four hours, and six times the
memory; so its trees are used and their arrays kept. Fixed seed: the same rows, the same forest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from tools.world import Floats

TREES = 60
MOST_ROWS = 256  # of the reference that one tree sees
QUANTILE = 0.98  # a forest saturates outside what it saw; its vote never stands alone
KEPT = 1024  # forests that a process keeps, about 80 kB each


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """All nodes of all trees in a row; a leaf leads to itself."""

    roots: npt.NDArray[np.int16]
    feature: npt.NDArray[np.int8]
    threshold: Floats
    left: npt.NDArray[np.int16]
    right: npt.NDArray[np.int16]
    depth: npt.NDArray[np.float32]  # of a leaf, and what the rows left in it would add
    levels: int
    usual: float  # c(n): mean depth of an unsuccessful search among n rows
    limit: float  # the 98 % quantile of the reference's own scores

    def isolation(self, rows: Floats) -> Floats:
        """Return the raw scores in (0, 1]."""
        seen = rows.astype(np.float32)
        node = np.tile(self.roots, (rows.shape[0], 1))
        at = np.arange(rows.shape[0])[:, None]
        for _ in range(self.levels):
            low = seen[at, self.feature[node]] <= self.threshold[node]
            node = np.where(low, self.left[node], self.right[node])
        mean = self.depth[node].sum(axis=1, dtype=np.float64) / TREES
        return np.asarray(np.exp2(-mean / self.usual))

    def scores(self, rows: Floats) -> Floats:
        """Return scores over the limit: above 1 is more isolated than practically all before."""
        return np.asarray(self.isolation(rows) / self.limit)


def grown(reference: Floats) -> Forest:
    """Return the forest of these rows; one that was asked for lately is not grown again."""
    return _grown(np.ascontiguousarray(reference).tobytes(), reference.shape[1])


@lru_cache(maxsize=KEPT)
def _grown(reference: bytes, columns: int) -> Forest:
    import sklearn
    from sklearn.tree import ExtraTreeRegressor

    rows = np.frombuffer(reference).reshape(-1, columns).astype(np.float32)
    size = min(MOST_ROWS, rows.shape[0])
    levels = max(1, math.ceil(math.log2(size)))
    rng = np.random.default_rng(7)
    trees = []
    with sklearn.config_context(skip_parameter_validation=True, assume_finite=True):
        for number in range(TREES):
            part = rows if size == rows.shape[0] else rows[rng.permutation(rows.shape[0])[:size]]
            tree = ExtraTreeRegressor(
                max_features=1, splitter="random", max_depth=levels, random_state=number
            )
            # What it is told to predict is noise: its cuts are random, and only they are wanted.
            trees.append(tree.fit(part, rng.random(size), check_input=False).tree_)
    begin = np.cumsum([0, *(tree.node_count for tree in trees)])
    places = [np.arange(tree.node_count) + at for tree, at in zip(trees, begin, strict=False)]
    leaves = [tree.children_left < 0 for tree in trees]
    parts = list(zip(trees, begin.tolist(), places, leaves, strict=False))
    bare = Forest(
        roots=begin[:-1].astype(np.int16),
        feature=np.concatenate([np.where(leaf, 0, t.feature) for t, _, _, leaf in parts]).astype(
            np.int8
        ),
        threshold=np.concatenate([t.threshold for t, _, _, _ in parts]),
        left=np.concatenate(
            [np.where(leaf, own, t.children_left + at) for t, at, own, leaf in parts]
        ).astype(np.int16),
        right=np.concatenate(
            [np.where(leaf, own, t.children_right + at) for t, at, own, leaf in parts]
        ).astype(np.int16),
        depth=np.concatenate(
            [t.compute_node_depths() - 1 + _mean_depth(t.n_node_samples) for t, _, _, _ in parts]
        ).astype(np.float32),
        levels=levels,
        usual=float(_mean_depth(np.array([size]))[0]),
        limit=1.0,
    )
    limit = float(np.quantile(bare.isolation(rows.astype(np.float64)), QUANTILE))
    return Forest(
        bare.roots, bare.feature, bare.threshold, bare.left, bare.right, bare.depth,
        bare.levels, bare.usual, limit,
    )  # fmt: skip


def _mean_depth(rows: npt.NDArray[np.int64]) -> Floats:
    """Return c(n) of the paper, its equation 1."""
    count = rows.astype(np.float64)
    result = np.where(count == 2, 1.0, 0.0)
    many = count > 2
    left = count[many] - 1.0
    result[many] = 2.0 * (np.log(left) + np.euler_gamma) - 2.0 * left / count[many]
    return result


def forget() -> None:
    """Let go of every forest that was kept."""
    _grown.cache_clear()


def times_grown() -> int:
    """Return how many were grown by this process since `forget`."""
    return _grown.cache_info().misses
