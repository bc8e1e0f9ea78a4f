"""Weighing: samples that were seen with a known chance come to stand for those that were not, for whichever net."""

from __future__ import annotations

import dataclasses

import torch

from ..core.policy import Log
from ..core.settings import require
from ..exposure.weights import correction, effective_size, weigh
from .dataset import Dataset


def weighed(data: Dataset, how: str, log: Log) -> Dataset:
    """A dataset whose weights are those of `exposure.weights.weigh`, of mean one; itself where none are asked for.

    Args:
        data: samples of R runs.
        how: none, ips, pooled, power:0.5 or clip:5.
        log: where it is noted how many samples of equal weight would be as certain.

    Raises:
        ValueError: where weights are asked for and the chances are not known.
    """
    rule = correction(how)
    if rule.kind == "none":
        return data
    reason = (
        f"weights {how}: expected demonstrations that were seen with a known chance, got others"
    )
    require(data.exposure is not None, f"{reason}; leave them out, or take museum or exposed")
    factor = weigh(data.exposure, rule, data.pooled, data.weight)
    weight = (data.weight * factor).to(torch.float32)
    size = effective_size(weight.double())
    log.effective = torch.as_tensor(size)
    return dataclasses.replace(data, weight=weight)
