#!/usr/bin/env python3
"""Writes goldens.json: what numpy and scipy make of the samples that statistics_oracle_test.c reads.

Nothing is shared with the C code but the definition of the random numbers (Philox4x32-10, here in
numpy), so that resamples and permutations are the same ones and results agree to the last digits.
scipy.stats.bootstrap, with random numbers of its own, stands beside the BCa intervals.
"""
import json
import pathlib

import numpy as np
from scipy import stats

SEED = 20250805
REPLICATES = 999
PERMUTATIONS = 1999
HERE = pathlib.Path(__file__).parent


def philox_unit(seed, position):
    """dyno_random_unit for an array of positions."""
    mask = np.uint64(0xFFFFFFFF)
    position = np.asarray(position, dtype=np.uint64)
    c0, c1 = position & mask, position >> np.uint64(32)
    c2, c3 = np.zeros_like(c0), np.zeros_like(c0)
    k0, k1 = np.uint64(seed & 0xFFFFFFFF), np.uint64(seed >> 32)
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = ((p1 >> np.uint64(32)) ^ c1 ^ k0, p1 & mask,
                          (p0 >> np.uint64(32)) ^ c3 ^ k1, p0 & mask)
        k0 = (k0 + np.uint64(0x9E3779B9)) & mask
        k1 = (k1 + np.uint64(0xBB67AE85)) & mask
    bits = c1 << np.uint64(32) | c0
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def bca(values, statistic, confidence=0.95):
    n = len(values)
    indices = np.floor(philox_unit(SEED, np.arange(REPLICATES * n)) * n).astype(int)
    replicates = statistic(values[indices.reshape(REPLICATES, n)], axis=1)
    estimate = statistic(values)
    equal = np.isclose(replicates, estimate, rtol=1e-12, atol=0)  # but for rounding
    share = np.mean((replicates < estimate) & ~equal) + np.mean(equal) / 2
    bias = stats.norm.ppf(share)
    left_out = np.array([statistic(np.delete(values, i)) for i in range(n)])
    distance = left_out.mean() - left_out
    accelerated = np.sum(distance**3) / (6 * np.sum(distance**2) ** 1.5)
    z = stats.norm.ppf([(1 - confidence) / 2, (1 + confidence) / 2])
    probability = stats.norm.cdf(bias + (bias + z) / (1 - accelerated * (bias + z)))
    return np.quantile(replicates, probability).tolist()


def bca_by_scipy(values, statistic):
    interval = stats.bootstrap((values,), statistic, confidence_level=0.95, n_resamples=99999,
                               method="BCa", vectorized=True, batch=1000,
                               random_state=np.random.default_rng(1)).confidence_interval
    return [interval.low, interval.high]


def mann_kendall(values):
    n = len(values)
    rises = sum(np.sum(np.sign(values[i + 1:] - values[i])) for i in range(n))
    _, ties = np.unique(values, return_counts=True)
    variance = (n * (n - 1) * (2 * n + 5) - np.sum(ties * (ties - 1) * (2 * ties + 5))) / 18
    if rises == 0:
        return 1.0
    return float(min(2 * stats.norm.sf((abs(rises) - 1) / np.sqrt(variance)), 1))


def best_split(values):
    """The least squared deviation from the means of two segments, and where."""
    squares = [np.sum((values[:k] - values[:k].mean()) ** 2) +
               np.sum((values[k:] - values[k:].mean()) ** 2) for k in range(2, len(values) - 1)]
    return min(squares), 2 + int(np.argmin(squares))


def change(values):
    n = len(values)
    least, index = best_split(values)
    shuffled, as_clear = values - values.mean(), 1
    for shuffle in range(PERMUTATIONS):
        units = philox_unit(SEED, shuffle * n + np.arange(n))
        for i in range(n - 1, 0, -1):
            j = int(units[i] * (i + 1))
            shuffled[[i, j]] = shuffled[[j, i]]
        as_clear += best_split(shuffled)[0] <= least * (1 + 1e-9)
    size = (np.median(values[index:]) - np.median(values[:index])) / abs(np.median(values))
    return {"index": index, "size": float(size), "p": as_clear / (PERMUTATIONS + 1)}


def outliers(values):
    low, high = np.quantile(values, [0.25, 0.75])
    spread, names = high - low, []
    score = 0.6745 * (values - np.median(values)) / stats.median_abs_deviation(values)
    for value, s in zip(values, score):
        severe = value < low - 3 * spread or value > high + 3 * spread
        mild = value < low - 1.5 * spread or value > high + 1.5 * spread
        parts = (["severe"] if severe else ["mild"] if mild else []) + \
            (["mad"] if abs(s) > 3.5 else [])
        names.append(", ".join(parts) or None)
    return names, score.tolist()


def histogram(values):
    low, high = np.quantile(values, [0.25, 0.75])
    top = min(values.max(), high + 8 * (high - low))
    width = 2 * (high - low) / np.cbrt(len(values))
    bins = int(np.clip(np.ceil((top - values.min()) / width), 1, 64))
    counts, edges = np.histogram(values[values <= top], bins=bins, range=(values.min(), top))
    return {"low": float(edges[0]), "width": float(edges[1] - edges[0]),
            "counts": counts.tolist(), "above": int(np.sum(values > top))}


def describe(name, values):
    values = np.asarray(values, dtype=np.float64)
    names, score = outliers(values)
    probes = np.quantile(values, [0, 0.3, 0.5, 0.8])
    return {
        "name": name, "values": values.tolist(), "mean": float(np.mean(values)),
        "standard_deviation": float(np.std(values, ddof=1)),
        "variation": float(stats.variation(values, ddof=1)),
        "geometric_mean": float(stats.gmean(values)),
        "quantiles": np.quantile(values, [0.5, 0.9, 0.95, 0.99]).tolist(),
        "mean_95": bca(values, np.mean), "mean_95_scipy": bca_by_scipy(values, np.mean),
        "variance_95": bca(values, np.var),
        "slope": float(stats.theilslopes(values)[0]), "trend_p": mann_kendall(values),
        "change": change(values), "outliers": names, "scores": score,
        "histogram": histogram(values),
        "ecdf": [[float(x), float(stats.ecdf(values).cdf.evaluate(x))] for x in probes],
    }


def samples():
    random = np.random.Generator(np.random.PCG64(SEED))
    yield "ten like decode rates", np.round(random.normal(12, 0.3, 10), 3)
    yield "ten with a step", np.round(np.r_[random.normal(12, 0.05, 6), random.normal(11, 0.05, 4)],
                                      3)
    yield "ten that drift", np.round(20 + 0.1 * np.arange(10) + random.normal(0, 0.05, 10), 3)
    yield "ten with one far off", np.round(np.r_[random.normal(50, 1, 7), 250,
                                                 random.normal(50, 1, 2)], 3)
    yield "forty with ties", random.integers(80, 95, 40)
    yield "three hundred with a tail", np.round(random.lognormal(3, 0.6, 300), 4)


if __name__ == "__main__":
    goldens = {"seed": SEED, "replicates": REPLICATES,
               "samples": [describe(name, values) for name, values in samples()]}
    text = json.dumps(goldens, separators=(",", ":")).replace('{"name"', '\n{"name"')
    (HERE / "goldens.json").write_text(text + "\n")
