"""The interval of a median that allows for correlated neighbours, as the program computes it."""

from __future__ import annotations

from itertools import pairwise
from math import floor, nan, sqrt

import pandas as pd

# Fewer values cannot be divided into batches of at least two.
_MIN_BATCHED = 22
_BATCHES = 10
# The effective number of values is then a nineteenth.
_MAX_CORRELATION = 0.9


def series_interval(values: pd.Series[float]) -> tuple[float, float]:
    """Return the interval of the median of values in the order of measurement, with about 95 % confidence.

    Two order statistics enclose the median of independent values. Where neighbours are correlated, the two are further
    apart: docs/method.md and src/stats/autocorrelation.rs have the rule and its sources. NaN for five values or fewer.
    """
    values = values.reset_index(drop=True)
    count, correlation = len(values), _neighbour_correlation(values)
    if _low_rank(count) == 0:
        return nan, nan
    if count < _MIN_BATCHED:
        return _widened(values, correlation + 1.5 / count)
    if correlation <= 0.7 / sqrt(count):
        return _widened(values, 0)
    widened = _widened(values, correlation + 3 / count)
    batched = _widened(_batch_medians(values), 0)
    return min(widened[0], batched[0]), max(widened[1], batched[1])


def _low_rank(count: int) -> int:
    """Return the rank, from 1, of the lower of the narrowest two order statistics with 95 % confidence; 0 if none is.

    `below` counts the outcomes, of 2**count, with fewer than `low` values below the median.
    """
    low, below, term = 0, 0, 1
    while 2 * 20 * (below + term) <= 2**count:
        low, below = low + 1, below + term
        term = term * (count - low + 1) // low
    return low


def _neighbour_correlation(values: pd.Series[float]) -> float:
    centred = values.rank() - (len(values) + 1) / 2
    squares = (centred**2).sum()
    return (centred * centred.shift()).sum() / squares if squares > 0 else 0.0


def _widened(values: pd.Series[float], correlation: float) -> tuple[float, float]:
    """Return the order statistics whose ranks are moved outwards for this correlation, or else all values' range."""
    correlation = min(max(correlation, 0.0), _MAX_CORRELATION)
    middle = (len(values) + 1) / 2
    low = floor(middle - (middle - _low_rank(len(values))) * sqrt((1 + correlation) / (1 - correlation)))
    ordered, below = sorted(values), max(low, 1) - 1
    return ordered[below], ordered[len(values) - 1 - below]


def _batch_medians(values: pd.Series[float]) -> pd.Series[float]:
    """Return the medians of ten batches of consecutive values."""
    starts = [batch * len(values) // _BATCHES for batch in range(_BATCHES + 1)]
    return pd.Series([values[start:end].median() for start, end in pairwise(starts)])
