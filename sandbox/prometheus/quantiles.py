"""Quantiles as Prometheus ranks them: linear between two samples, NaN smallest of all."""

import numpy as np

from sandbox.prometheus.samples import Floats, Mask


def masked_quantile(q: Floats, values: Floats, mask: Mask) -> Floats:
    """Quantile down each column of the masked values."""
    unknown = mask & np.isnan(values)
    smallest = unknown.sum(axis=0)
    ordered = np.sort(np.where(mask, np.where(unknown, -np.inf, values), np.inf), axis=0)
    n = np.maximum(mask.sum(axis=0), 1)
    rank = np.clip(q, 0.0, 1.0) * (n - 1)
    rank = np.where(np.isnan(rank), 0.0, rank)
    lower = np.maximum(0, np.floor(rank)).astype(np.int64)
    upper = np.minimum(n - 1, lower + 1)
    columns = np.arange(ordered.shape[1])
    weight = rank - np.floor(rank)
    result = ordered[lower, columns] * (1 - weight) + ordered[upper, columns] * weight
    result = np.where(lower < smallest, np.nan, result)
    result = np.where(q < 0, -np.inf, np.where(q > 1, np.inf, result))
    return np.where(np.isnan(q), np.nan, result)
