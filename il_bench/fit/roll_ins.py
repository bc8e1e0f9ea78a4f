"""Roll-ins: demonstrations with some of their symbols replaced by those that the student writes at this moment."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch

from ..core.env import Env
from ..core.policy import choose
from ..core.settings import require
from ..core.streams import Streams
from ..core.tokens import TokenEnv
from .sequences import Answer, Errors, Sequences

Chances: TypeAlias = "Callable[[int], list[float]]"
"""Updates made -> the chance of each run, or the one of all."""


def require_text(learner: str, env: Env) -> None:
    """Refuse an environment in which what is done is not what is observed next."""
    name = type(env).__name__
    text = isinstance(env, TokenEnv)
    wanted = f"{learner}: expected a text, whose symbols are what is observed next"
    require(text, f"{wanted}, got {name}; use dagger")


@dataclass(frozen=True)
class CoinedSymbols:
    """By one coin for each symbol of each text what stands before a label is the demonstration's, or the student's own.

    The labels stay the demonstration's: what it says next, whatever the student has written in between.

    Attributes:
        streams: coins, and the numbers by which the student writes.
        chances: of the demonstration's symbol.
        protect: how many symbols of a text are the demonstration's in any case.
    """

    streams: Streams
    chances: Chances
    protect: int
    errors: Errors | None = None

    def batch(self, given: Sequences, update: int, answer: Answer) -> Sequences:
        """See `Source.batch`."""
        _, batch, steps = given.weight.shape
        streams = self.streams.later(update)
        coin = streams.uniform("coin", 1, batch, steps)[:, 0]
        chance = torch.tensor(self.chances(update), dtype=coin.dtype, device=coin.device)
        kept = coin < chance[:, None, None]
        kept[..., : self.protect] = True
        if kept.all():
            return given
        draw = streams.uniform("symbol", 1, batch, steps)[:, 0]
        obs = _mixed(given.obs, kept, draw, answer)
        return dataclasses.replace(given, obs=obs)


def _mixed(
    obs: torch.Tensor, kept: torch.Tensor, draw: torch.Tensor, answer: Answer
) -> torch.Tensor:
    """Observations (R, B, T, O) whose symbols are those of `obs` where `kept` (R, B, T), and else the student's own.

    Symbol t is what is observed first at step t + 1; behind it stand those before.
    """
    first, *others = obs.unbind(2)
    memory: Any = None
    now = first
    mixed = [first]
    for step, demonstrated in enumerate(others):
        out, memory = answer(now[:, :, None], memory)
        chances = out[:, :, 0].softmax(-1)
        own = choose(chances, draw[..., step]).to(now.dtype)
        its = demonstrated[..., :1]
        symbol = torch.where(kept[..., step, None], its, own)
        now = torch.cat((symbol, now[..., :-1]), -1)
        mixed.append(now)
    return torch.stack(mixed, 2)
