"""Which sparse points belong to one thing: single linkage, with the linkage given or found."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
from scipy.spatial import cKDTree


def nearest(points: Float[ndarray, "n 3"], k: int) -> tuple[Float[ndarray, "n k"], Int[ndarray, "n k"]]:
    """Distances and indices of the k points nearest to each, itself first."""
    distance, neighbour = cKDTree(points).query(points, k=k)
    return np.asarray(distance).reshape(-1, k), np.asarray(neighbour).reshape(-1, k)


def spacing(points: Float[ndarray, "n 3"]) -> float:
    """The typical distance from a point to its nearest neighbour."""
    return float(np.median(nearest(points, 2)[0][:, 1]))


def largest_cluster(points: Float[ndarray, "n 3"], linkage: float, focus: Float[ndarray, "3"] | None) -> Int[ndarray, "k"]:
    """Indices of the cluster with most points; with a focus, near clusters count for more than far ones."""
    pairs = cKDTree(points).query_pairs(linkage, output_type="ndarray")
    graph = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(points),) * 2)
    _, label = connected_components(graph, directed=False)
    weight = np.bincount(label).astype(float)
    if focus is not None:
        centres = np.stack([np.bincount(label, points[:, k]) for k in range(3)], 1) / weight[:, None]
        weight /= 1 + (np.linalg.norm(centres - focus, axis=1) / (4 * linkage)) ** 2
    return np.flatnonzero(label == weight.argmax())


def cluster_around(points: Float[ndarray, "n 3"], seed: int, reach: float, min_points: int) -> Int[ndarray, "k"]:
    """Indices of the thing that the point `seed` belongs to, whatever its size and however dense its points.

    As the linkage grows, the seed's cluster grows: gradually while the thing's own points join, then by a leap when it
    meets a neighbour. Taken is the cluster that stays the same for the longest (log) stretch of linkages up to `reach`.
    Empty where no cluster has `min_points`.
    """
    count = len(points)
    distance, neighbour = nearest(points, min(12, count))
    rows = np.repeat(np.arange(count), distance.shape[1] - 1)
    graph = coo_matrix((distance[:, 1:].ravel() + 1e-12, (rows, neighbour[:, 1:].ravel())), shape=(count, count))
    tree = minimum_spanning_tree(graph.tocsr()).tocoo()  # single linkage is this tree, cut at the linkage
    linkages = np.geomspace(reach / 100, reach, 80)
    clusters = []
    for linkage in linkages:
        short = tree.data <= linkage
        cut = coo_matrix((tree.data[short], (tree.row[short], tree.col[short])), shape=(count, count))
        label = connected_components(cut, directed=False)[1]
        clusters.append(np.flatnonzero(label == label[seed]))
    sizes = np.array([len(c) for c in clusters])
    lasts = [int(np.searchsorted(sizes, 1.15 * size, "right")) - i if size >= min_points else 0 for i, size in enumerate(sizes)]
    best = int(np.argmax(lasts))
    return clusters[best + lasts[best] - 1] if lasts[best] else np.zeros(0, int)
