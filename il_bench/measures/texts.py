"""Texts: what is measured of who writes by chance, where the expert tells its own chances on every prefix.

What the Record tells comes first; the rest asks the policy anew, along the first rollouts of the Record.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch

from ..core.chance import chances_of
from ..core.env import StochasticExpert
from ..core.policy import Policy
from ..records.rows import VARIABLES, is_told
from ..stats import accumulation
from . import continuations, memories
from .continuations import Swap
from .memories import Deviation
from .probes import Unanswerable, where_answerable
from .quantities import Assessment, Quantity, asked_once

LAGS = (1, 2, 4, 8, 16, 32)
"""Steps after a swapped symbol."""

QUANTILES = {"median": 0.5, "95 %": 0.95, "largest": 1.0}
"""Of the slopes that are met."""


@dataclass(frozen=True)
class Reading:
    """What a policy is asked about texts, each question once.

    Attributes:
        of: the learner.
        answers: what was asked so far.
    """

    of: Assessment
    answers: dict[str, Any] = field(default_factory=dict)

    @property
    def policy(self) -> Policy:
        """The learner's policy."""
        policy = self.of.policy
        if not isinstance(policy, Policy):
            raise Unanswerable("needs a policy; an expert is the oracle")
        return policy

    @property
    def oracle(self) -> StochasticExpert:
        """The expert, who tells his chances."""
        oracle = chances_of(self.of.reference.expert)
        if oracle is None:
            raise Unanswerable("needs an expert that tells its chances")
        return oracle

    @asked_once
    def swap(self) -> Swap:
        """See `continuations.swap`; a quarter into the text."""
        known = self.of.reference
        at = self.of.horizon // 4
        asked = known.env, self.oracle, self.policy, known.path(), known.streams
        return continuations.swap(*asked, at)

    @asked_once
    def start(self) -> Swap:
        """See `continuations.unseen_start`."""
        known = self.of.reference
        asked = known.env, self.oracle, self.policy, known.path(), known.streams
        return continuations.unseen_start(*asked)

    @asked_once
    def miscalibration(self) -> np.ndarray:
        """See `continuations.miscalibration`, on own prefixes."""
        error = continuations.miscalibration(self.of.env, self.oracle, self.policy, self.of.path)
        return error.cpu().numpy()

    @asked_once
    def deviation(self) -> Deviation:
        """See `memories.deviation`."""
        lead = self.of.reference.path()
        return memories.deviation(self.of.env, self.policy, self.of.path, lead)

    @asked_once
    def kept(self) -> torch.Tensor:
        """How far what is remembered is, over the ceiling, at lag 1, 2, ... after a swapped symbol, (R, n).

        In the expert's text with all other symbols as they were.
        """
        known = self.of.reference
        lead = known.path()
        at = self.of.horizon // 4
        other = continuations.rewritten(known.env, lead, known.streams, at)
        return memories.kept(known.env, self.policy, lead, other)[:, at + 1 :]

    @asked_once
    def met(self) -> torch.Tensor:
        """See `memories.met`, on own texts."""
        return memories.met(self.of.env, self.policy, self.of.path)

    @asked_once
    def lyapunov(self) -> np.ndarray:
        """See `memories.lyapunov`, on own texts."""
        growth = memories.lyapunov(self.of.env, self.policy, self.of.path)
        return growth.cpu().numpy()

    @property
    def _writer(self) -> Any:
        """The policy, if its weights bound what a step of it can do."""
        policy: Any = self.policy
        if not getattr(policy, "reads_itself", False):
            raise Unanswerable("needs net gru that reads one symbol, whose weights bound it")
        return policy

    @asked_once
    def gains(self) -> Any:
        """The constants of the policy's weights, (R,) each."""
        return self._writer.gains()

    @asked_once
    def loop(self) -> torch.Tensor:
        """Stretches (R, n) of the loop that reads the mean of what it would write, at what is remembered of own texts."""
        writer = self._writer
        memory = memories.reading(self.of.env, writer, self.of.path)
        places = memories.some(memory)
        return memories.stretches(writer.soft_step, places)


def reading(a: Assessment) -> Reading:
    """What is asked about a learner's texts; kept with its other answers."""
    kept: Reading = a.answers.setdefault("reading", Reading(a))
    return kept


def tells(a: Assessment) -> bool:
    """Whether the Record tells chances, so that there is anything to say of texts."""
    return is_told(a.record, VARIABLES["kl_on"])


def _mean(name: str) -> Quantity:
    """A mean over steps that a Record tells."""

    def measure(a: Assessment) -> np.ndarray:
        return VARIABLES[name].measure(a.record, a.learner)

    return measure


def _step(array: str, whose: Callable[[Assessment], int]) -> Quantity:
    """The mean of one array over the steps after the first."""

    def measure(a: Assessment) -> np.ndarray:
        number = whose(a)
        each = a.record.arrays[array][number]
        where = 0 if array.endswith("_off") else number
        length = a.record.arrays["length"][where]
        return accumulation.mean_step(each, length)

    return measure


def _own(a: Assessment) -> int:
    return a.learner


def _experts(a: Assessment) -> int:
    return 0


def _both(a: Assessment) -> tuple[np.ndarray, np.ndarray]:
    """KL a step on own prefixes and on the expert's, (R,) each."""
    return _mean("kl_on")(a), _mean("kl_off")(a)


def _accumulated(a: Assessment) -> np.ndarray:
    steps = a.horizon - accumulation.FIRST
    return accumulation.accumulated(*_both(a), steps)


def _off_path(measure: Callable[[np.ndarray], np.ndarray]) -> Quantity:
    """What is measured of whether own prefixes are off the path, (R, E, T+1) bool; NaN of runs where nobody's ever are."""

    def quantity(a: Assessment) -> np.ndarray:
        everybodys = a.record.arrays.get("off_path")
        if everybodys is None:
            raise Unanswerable("needs a language whose automaton is known")
        leaves = np.asarray(everybodys.any((0, 2, 3)))
        numbers = measure(a.array("off_path"))
        reason = "nothing that is written leaves the path of this language"
        return where_answerable(numbers, leaves, reason)

    return quantity


def _each_byte(name: str) -> Quantity:
    """What symbols cost over the bytes that they stand for."""

    def measure(a: Assessment) -> np.ndarray:
        variable = VARIABLES[name]
        if not is_told(a.record, variable):
            raise Unanswerable(
                "needs a language whose symbols stand for bytes, as those of env text do"
            )
        return variable.measure(a.record, a.learner)

    return measure


def _last_share(off: np.ndarray) -> np.ndarray:
    """The share of prefixes (R,) that are off the path at the end."""
    share: np.ndarray = off[..., -1].mean(1)
    return share


def _lag(lag: int, a: Assessment) -> np.ndarray:
    return _at(reading(a).swap.kl, lag)


def _kept(lag: int, a: Assessment) -> np.ndarray:
    return _at(reading(a).kept, lag)


def _at(lags: torch.Tensor, lag: int) -> np.ndarray:
    """The numbers (R,) of a lag, of numbers (R, n) of lags from 1 on."""
    if lags.shape[1] < lag:
        raise Unanswerable(f"needs {lag} steps after the first quarter of a text")
    return lags[:, lag - 1].cpu().numpy()


def _shift(part: str, a: Assessment) -> np.ndarray:
    """KL a symbol over all that is written after a start."""
    each = getattr(reading(a).start, part)
    return each.mean(1).cpu().numpy()


def _half_life(a: Assessment) -> np.ndarray:
    return reading(a).swap.half_life().cpu().numpy()


def _deviation(part: str, a: Assessment) -> np.ndarray:
    return getattr(reading(a).deviation, part).cpu().numpy()


def _gain(part: str, a: Assessment) -> np.ndarray:
    return getattr(reading(a).gains, part).cpu().numpy()


def _quantile(what: str, part: float, a: Assessment) -> np.ndarray:
    stretches = getattr(reading(a), what)
    return torch.quantile(stretches, part, dim=1).cpu().numpy()


TOLD: dict[str, Quantity] = {
    "KL off (expert's prefixes), nats a symbol": _mean("kl_off"),
    "KL on (own prefixes), nats a symbol": _mean("kl_on"),
    "accumulated error, in steps": _accumulated,
    "%ExAccErr": lambda a: accumulation.excess(*_both(a)),
    "reverse KL off": _step("reverse_kl_off", _own),
    "reverse KL on": _step("reverse_kl_on", _own),
    "NLL of expert's text under own chances": _mean("nll_off"),
    "NLL of expert's text under its own": _step("nll_off", _experts),
    "NLL of own text under the smoothed expert": _mean("nll_on"),
    "NLL a byte, expert's text under own chances": _each_byte("nll_off_byte"),
    "NLL a byte, own text under smoothed expert": _each_byte("nll_on_byte"),
    "chance off the support, expert's prefixes": _step("outside_off", _own),
    "chance off the support, own prefixes": _step("outside_on", _own),
    "off the path at the end": _off_path(_last_share),
    "leaves the path a step, e": _off_path(lambda off: accumulation.rates(off)[0]),
    "comes back a step, r": _off_path(lambda off: accumulation.rates(off)[1]),
    "furthest from e/(e+r) (1 - (1-e-r)^t)": _off_path(accumulation.misfit),
}
"""What the Record tells."""

LIPSCHITZ: dict[str, Quantity] = {
    "memory: certificate L_h": partial(_gain, "memory"),
    "memory: certificate L_x": partial(_gain, "entering"),
    "memory: certificate L_fb, soft symbols": partial(_gain, "feedback"),
    "memory: certificate L_h + L_x L_fb": partial(_gain, "loop"),
}
"""How much a step can stretch a deviation at most, and how much it does."""

for _name, _part in QUANTILES.items():
    LIPSCHITZ[f"memory: slope met, {_name}"] = partial(_quantile, "met", _part)
for _name, _part in QUANTILES.items():
    LIPSCHITZ[f"memory: slope of the soft loop, {_name}"] = partial(_quantile, "loop", _part)

ASKED: dict[str, Quantity] = {
    "calibration error, own prefixes": lambda a: reading(a).miscalibration,
    **{f"KL at lag {lag} after a swapped symbol": partial(_lag, lag) for lag in LAGS},
    "half-life of a swapped symbol": _half_life,
    "KL after an unseen start, nats a symbol": partial(_shift, "kl"),
    "KL after the expert's starts, nats a symbol": partial(_shift, "calm"),
    **{f"memory D / ceiling, lag {lag} after a swap": partial(_kept, lag) for lag in LAGS},
    "memory D / ceiling, same to the oracle": partial(_deviation, "equal"),
    "memory D / ceiling, not the same": partial(_deviation, "different"),
    "memory D / ceiling, at the end": partial(_deviation, "last"),
    **LIPSCHITZ,
    "memory: growth a step, Lyapunov": lambda a: reading(a).lyapunov,
}
"""What the policy is asked."""

TEXTS = TOLD | ASKED
