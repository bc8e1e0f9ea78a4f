"""What is logged is not what is: weights and estimators of things that were seen with a known chance.

    from il_bench.exposure import hajek, life_table, pairs

Functions of a few arrays, for whoever has a museum or a ranked list and no environment. Nothing here imports torch.
"""

from .estimators import (
    Estimate,
    affine,
    clip,
    doubly_robust,
    hajek,
    horvitz_thompson,
    naive,
    pooled,
    power,
    ratio,
    weighted,
)
from .lifetables import Curve, LifeTable, life_table, product_limit
from .propensity import PositionBias, em, pairs, randomised
from .rankers import Ranker, ranker
from .ranking import (
    click_chances,
    clicks,
    examination,
    gini,
    kendall_tau,
    ndcg,
    plackett_luce,
    trust,
)
from .survival import deaths, exposures, geometric, gompertz, siler, survivors
from .weights import (
    Correction,
    correction,
    effective_size,
    exact_ratio,
    mean_exposure,
    weigh,
)

__all__ = [
    "Correction",
    "Curve",
    "Estimate",
    "LifeTable",
    "PositionBias",
    "Ranker",
    "affine",
    "click_chances",
    "clicks",
    "clip",
    "correction",
    "deaths",
    "doubly_robust",
    "effective_size",
    "em",
    "exact_ratio",
    "examination",
    "exposures",
    "geometric",
    "gini",
    "gompertz",
    "hajek",
    "horvitz_thompson",
    "kendall_tau",
    "life_table",
    "mean_exposure",
    "naive",
    "ndcg",
    "pairs",
    "plackett_luce",
    "pooled",
    "power",
    "product_limit",
    "randomised",
    "ranker",
    "ratio",
    "siler",
    "survivors",
    "trust",
    "weigh",
    "weighted",
]
