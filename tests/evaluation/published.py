"""The published formulas of the metrics, transcribed one step at a time: slow, and sharing no code with the package.

`p` is a function of the set of present units (a frozenset) and gives a float.
"""

import math


def ferret_top_k(scores, k):
    """Indices of ferret's `_get_id_tokens_top_k(…, only_pos=False)`: `argsort()[-k:][::-1]`, here a stable sort."""
    ascending = sorted(range(len(scores)), key=lambda i: scores[i])
    return ascending[-k:][::-1]


def ferret_rationales(scores, thresholds, based_on):
    """The rationales of ferret's loop over thresholds: None and the same set twice in a row are left out."""
    found, last = [], None
    for threshold in thresholds:
        if based_on == "k":
            top = ferret_top_k(scores, threshold)
        else:  # "perc"
            size = int(threshold * len(scores))
            top = ferret_top_k(scores, size) if 0 < size <= len(scores) else None
        if top is not None and last is not None and set(top) == last:
            top = None
        if top is None:
            continue
        last = set(top)
        found.append(top)
    return found


def ferret_aopc(scores, p, *, keep, thresholds=None, based_on="k"):
    """ferret `AOPC_Comprehensiveness_Evaluation` (keep=False) and `AOPC_Sufficiency_Evaluation` (keep=True).

    https://github.com/g8a9/ferret, ferret/evaluators/faithfulness_measures.py
    """
    everything = frozenset(range(len(scores)))
    thresholds = range(1, len(scores) + 1) if thresholds is None else thresholds
    drops = []
    for top in ferret_rationales(scores, thresholds, based_on):
        present = frozenset(top) if keep else everything - set(top)
        drops.append(p(everything) - p(present))
    return sum(drops) / len(drops) if drops else math.nan


def eraser_aopc(scores, p, *, keep, bins):
    """ERASER `_instances_aopc` for one instance: the mean over all thresholds of β₀ - β_k, every bin counted.

    https://github.com/jayded/eraserbenchmark, rationale_benchmark/metrics.py
    """
    everything = frozenset(range(len(scores)))
    deltas = []
    for threshold in bins:
        ascending = sorted(range(len(scores)), key=lambda i: scores[i])
        top = set(ascending[len(scores) - int(threshold * len(scores)) :])
        deltas.append(p(everything) - p(frozenset(top) if keep else everything - top))
    return sum(deltas) / len(deltas)


def dig_log_odds(scores, p, topk=20):
    """DIG `eval_log_odds`: ln p(top 20 % replaced) - ln p(x).  https://github.com/INK-USC/DIG, metrics.py."""
    count = int(len(scores) * topk / 100)
    top = sorted(range(len(scores)), key=lambda i: scores[i])[len(scores) - count :]
    everything = frozenset(range(len(scores)))
    return math.log(p(everything - set(top))) - math.log(p(everything))


def tau_loo(scores, p):
    """ferret `TauLOO_Evaluation`: Kendall's tau-b of -(p(x without i) - p(x)) and the scores, a pair at a time."""
    everything = frozenset(range(len(scores)))
    drops = [-(p(everything - {i}) - p(everything)) for i in range(len(scores))]
    agree = differ = untied_scores = untied_drops = 0
    for i in range(len(scores)):
        for j in range(i):
            a, b = scores[i] - scores[j], drops[i] - drops[j]
            untied_scores += a != 0
            untied_drops += b != 0
            agree += a * b > 0
            differ += a * b < 0
    scale = math.sqrt(untied_scores * untied_drops)
    return (agree - differ) / scale if scale else math.nan


def interpreto_curve(scores, p, *, insert, n_perturbations=100):
    """interpreto `InsertionDeletionPerturbator.get_mask`, then the model's score of each step.

    https://github.com/FOR-sight-ai/interpreto, attributions/perturbations/insertion_deletion_perturbation.py
    """
    import torch

    length = len(scores)
    points = min(n_perturbations, length) + 1
    strongest = torch.argsort(torch.tensor(scores), descending=True).tolist()
    curve = []
    for step in torch.linspace(0, length, points):
        moved = frozenset(strongest[: int(step)])
        curve.append(p(moved if insert else frozenset(range(length)) - moved))
    return curve


def interpreto_area(curve):
    """interpreto `InsertionDeletionBase.evaluate`: (Σ s - ½ (s₀ + s_last)) / (points - 1)."""
    return (sum(curve) - 0.5 * (curve[0] + curve[-1])) / (len(curve) - 1)


def mixed_difference(v, units, i, j):
    """The mixed difference at the text (Tsang et al., NeurIPS 2020, equation 4, context x)."""
    everything = frozenset(range(units))
    return v(everything) - v(everything - {i}) - v(everything - {j}) + v(everything - {i, j})
