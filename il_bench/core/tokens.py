"""Token sequences: the state is a prefix, an action is the next symbol, the expert an oracle on every prefix.

What a prefix is to the oracle, such as a node of its automaton, is all that the state keeps of it, beside the last symbols,
which are what is observed, as numbers of a vocabulary. The symbol that is written is the one that was chosen but for a
slip: with its chance a uniform symbol is written instead, to the expert's twin and to the learner's at the same steps.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import torch
from gymnasium import spaces

from .env import Certificate, Env
from .oracle import Oracle
from .settings import Times, Values, require, require_counts
from .streams import Streams


@dataclass(frozen=True, kw_only=True)
class TokenEnv(Env):
    """A language: what follows a prefix is its oracle's; experts and policies write by chance.

    A state is where the prefix stands with the oracle, one number for an automaton; whether the last symbol was one that
    the oracle never writes there; and the last symbols, the latest first.
    """

    horizon: int = 64
    """Symbols that are written in an episode, T."""
    slip: Values = 0.0
    """Chance, at each step, that a uniform symbol is written instead of the one chosen."""
    smooth: float = 1e-3
    """Share of a uniform distribution in the oracle by which a text is judged, so that no symbol costs infinitely much."""
    context: int = 1
    """How many of the last symbols are observed."""

    excitation: ClassVar[dict[str, float]] = {"slip": 0.02}
    usual: ClassVar[dict[str, Any]] = {
        "net": "gru",
        "units": 32,
        "embedding": 16,
        "sequences": 32,
        "updates": 320,
        "lr": 0.01,
        "clip": 1.0,
        "episodes": Times(64),
        "dagger.beta": "constant",
    }
    """Memory, since a symbol alone tells little; texts are short, and many are read of which each says little."""
    by_chance: ClassVar[bool] = True
    draws_path: ClassVar[bool] = True
    noise_size: ClassVar[int] = 4

    @property
    @abstractmethod
    def automaton(self) -> Oracle:
        """The language, nearly always an `Automaton`; a `cached_property`. It answers on whatever device it is asked."""

    @property
    def symbol_bytes(self) -> tuple[float, ...]:
        """Bytes (V,) that each symbol stands for, on average, of a language that is somebody's text; empty of others."""
        return ()

    @abstractmethod
    def require_language(self) -> None:
        """Raise ValueError, in one sentence, when the settings describe no such language."""

    @final
    def validate(self) -> None:
        """A chance to slip, a share of a uniform distribution, and at least one observed symbol."""
        for slip in self.values("slip"):
            require(0 <= slip <= 1, f"slip: expected a chance from 0 to 1, got {slip}; try 0.02")
        share = f"expected a share above 0 and below 1, got {self.smooth}; try 0.001"
        require(0 < self.smooth < 1, f"smooth: {share}")
        require_counts(self, "context")
        self.require_language()

    @property
    def states(self) -> dict[str, str]:  # type: ignore[override]
        """What the prefix is to the oracle, the flag, and the last symbols, the latest first."""
        place = self.automaton.coordinates
        older = {f"symbol {back} back": "" for back in range(1, self.context)}
        off = "1 where the oracle never writes the last symbol there"
        return {**place, "off": off, "symbol": "the last one", **older}

    @property
    @final
    def observation_space(self) -> spaces.MultiDiscrete:
        """The last symbols, the latest first; the number after the last symbol's says that there is none yet."""
        numbers = [self.automaton.symbols + 1] * self.context
        return spaces.MultiDiscrete(numbers)

    @property
    @final
    def action_space(self) -> spaces.Discrete:
        """The next symbol."""
        return spaces.Discrete(self.automaton.symbols)

    @final
    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """At a first place, with nothing written."""
        automaton = self.automaton
        drawn = streams.uniform("initial", episodes, 1)
        place = automaton.first(drawn.to(self.device))
        on = torch.zeros_like(place[..., :1])
        none = torch.full_like(on, automaton.symbols)
        unwritten = [none] * self.context
        return torch.cat((place, on, *unwritten), -1)

    @final
    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """The symbol is written, or another where the step slips."""
        place = self._place(state)
        symbol = self.written(action[..., 0], noise)
        its = self.automaton.chance(place, symbol)
        off = (its == 0).to(state.dtype)[..., None]
        following = self.automaton.after(place, symbol)
        symbols = self._symbols(state)
        older = symbols[..., :-1]
        return torch.cat((following, off, symbol[..., None], older), -1)

    @final
    def _place(self, state: Any) -> Any:
        """What prefixes are to the oracle, (..., P), in states (..., X)."""
        return state[..., : -1 - self.context]

    @final
    def _symbols(self, state: Any) -> Any:
        """The last symbols (..., context), the latest first, in states (..., X)."""
        return state[..., -self.context :]

    @final
    def written(self, chosen: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """The symbols (R, E) that are written where symbols (R, E) were chosen, under normal noise (R, E, 4)."""
        if max(self.values("slip")) == 0:
            return chosen
        coin = _uniform(noise[..., :2])
        place = _uniform(noise[..., 2:])
        symbols = self.automaton.symbols
        number = (symbols * place).floor()
        other = number.clamp_max(symbols - 1)
        slips = coin < self.per_run(self.slip)
        return torch.where(slips, other, chosen)

    @final
    def observation(self, state: Any) -> Any:
        """The last symbols."""
        return self._symbols(state)

    @final
    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """Log-likelihood of what was written under the smoothed oracle, nats: a text's return is minus its NLL."""
        latest = self._symbols(next_state)[..., 0]
        its = self.automaton.chance(self._place(state), latest)
        exact = (1 - self.smooth) * its
        uniform = self.smooth / self.automaton.symbols
        return (exact + uniform).log()

    @final
    def oracle(self, state: torch.Tensor) -> torch.Tensor:
        """The chances (R, E, V) of the next symbol after prefixes (R, E, X), before any slip."""
        return self.automaton.at(self._place(state))

    @final
    def alike(self, state: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """Whether prefixes (..., X) are the same to the oracle, (...) bool: all that they continue with is."""
        same = self._place(state) == self._place(other)
        return same.all(-1)

    @final
    def off_path(self, state: torch.Tensor) -> torch.Tensor:
        """Whether prefixes (R, E, X) are to the oracle what no text of its own is, unless a symbol slips; (R, E) bool."""
        return self.automaton.off_path(self._place(state))

    @final
    def spelled(self, path: Any) -> tuple[list[int], Any, Any]:
        """A text from its states (n + 1, X): its symbols (n,), whether each is off the language, and its cost in nats.

        Of a single state (X,) the last symbol alone, whose cost is not known.
        """
        size = len(self.states)
        states = torch.tensor(path).reshape(-1, size)
        latest = self._symbols(states)[:, 0]
        single = len(states) == 1
        begun = bool(latest[0] < self.automaton.symbols)
        written = states if single and begun else states[1:]
        symbols = self._symbols(written)[:, 0].long()
        off = written[:, -1 - self.context] == 1
        costs = np.zeros(len(symbols))
        if not single:
            before = states[None, :-1]
            likelihood = self.reward(before, None, written[None])
            costs = -likelihood[0].numpy()
        return symbols.tolist(), off.numpy(), costs

    @final
    def terminal(self, state: Any) -> Any:
        """Never."""
        first = state[..., 0]
        return first != first


def _uniform(pair: torch.Tensor) -> torch.Tensor:
    """A uniform number (...) of two normal ones (..., 2): exp(-(x**2 + y**2) / 2) is one (Box & Muller 1958)."""
    square = pair.square().sum(-1)
    return (-0.5 * square).exp()


def apart(state: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """1 where two prefixes are not at one node of an automaton, or one has just left the language; else 0, (R, E, 1)."""
    both = slice(0, 2)
    differ = state[..., both] != other[..., both]
    return differ.any(-1, keepdim=True).to(torch.float64)


def zero_or_one(env: TokenEnv) -> Certificate:
    """What can be said of any language: in the 0/1 metric no step makes two prefixes differ by more than one."""
    one = (1.0,) * env.runs
    return Certificate(
        value=one,
        metric="0/1 over what prefixes are to the oracle",
        kind="upper",
        diameter=one,
        note="no constant is set: every map is 1-Lipschitz in this metric",
    )
