"""l' = l (1 - q), x' = x + 1: a life table is a rollout, and its error a divergence that fades by 1 - q a year.

Of a cohort a share l is alive at age x, and whoever acts says which share q dies within the year. What is known of q lies
in a museum's drawers: for a century collectors went out, with an effort that grew and that two wars cut, and took each
animal when they first met it, by chance. Long lives are met more often (visibility, to the power eta): who takes the
ages in the drawers for those of the living overrates survival. Demonstrations are the museum's animals, year by year, each
with the chance that somebody met it within its life (`exposure`): 1 where it died in a year, -1 where it lived.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from gymnasium import spaces

from il_bench import (
    ArchiveEnv,
    Certificate,
    Expert,
    LoggedEnv,
    Streams,
    Values,
    coordinates,
    namespace,
    require,
)
from il_bench.core.rollout import Archive, Rollout
from il_bench.exposure import survival
from il_bench.exposure.lifetables import life_table
from il_bench.paint.lexis import Life, Table, lexis
from il_bench.paint.lexis import Museum as Lexis

FIRST = 1900
"""The first year in which somebody collects."""
DRAWN = 3
"""Animals born each year that the picture shows."""


@dataclass(frozen=True, kw_only=True)
class Museum(ArchiveEnv, LoggedEnv):
    """l' = l (1 - q): a life table as a rollout, learned from animals that were collected by chance."""

    horizon: int = 20
    """Years that the cohort is followed, T."""
    omega: int = 25
    """The age that nobody reaches."""
    law: Literal["siler", "gompertz", "geometric"] = "siler"
    """Mortality: deadly first years and age at the end; age alone; or the same chance to die at every age."""
    q: Values = 0.1
    """That chance, of law geometric."""
    eta: Values = 1.0
    """Survivor bias: a life of x years is (x + 1)**eta as visible as one of none; 0 is none, 1 length bias."""
    rate: Values = 0.02
    """Meetings with collectors a year, at mean effort and visibility one."""
    births: int = 100
    """Animals born each year."""
    years: int = 100
    """Years in which they are born, and collected, from 1900 on."""

    arrays: ClassVar = "any"
    draws_path: ClassVar = True
    states: ClassVar = {"age": "years", "survivors": "share", "true survivors": "share"}

    def validate(self) -> None:
        """Refuse mortalities and museums that cannot be."""
        for q in self.values("q"):
            require(0 < q < 1, f"q: expected a chance between 0 and 1, got {q:g}; try 0.1")
        for eta in self.values("eta"):
            wanted = "eta: expected a number of at least 0, which is no survivor bias"
            require(eta >= 0, f"{wanted}, got {eta:g}")
        for rate in self.values("rate"):
            require(rate > 0, f"rate: expected meetings above 0, got {rate:g}; try 0.02")
        for name in ("births", "years", "omega"):
            count = getattr(self, name)
            require(count >= 1, f"{name}: expected at least 1, got {count}; try 100")

    @property
    def observation_space(self) -> spaces.Box:
        """Age, as a share of omega, and survivors, as a share of those born."""
        return spaces.Box(0.0, 1.0, (2,))

    @property
    def action_space(self) -> spaces.Box:
        """Who dies within the year: -1 nobody, 1 everybody, q = (1 + action) / 2."""
        return spaces.Box(-1.0, 1.0, (1,))

    @cached_property
    def mortality(self) -> np.ndarray:
        """Chances to die (R, omega) at each age; the last age kills all that are left."""
        omega = self.omega
        if self.law == "geometric":
            column = np.array(self.values("q"))[:, None]
            chances = survival.geometric(omega, column)
        elif self.law == "gompertz":
            chances = survival.gompertz(omega)
        else:
            chances = survival.siler(omega)
        table = np.tile(chances, (self.runs, 1)) if chances.ndim == 1 else chances.copy()
        table[:, -1] = 1
        return table

    @cached_property
    def _mortality_tensor(self) -> torch.Tensor:
        return torch.from_numpy(self.mortality).to(self.device)

    def q_at(self, age: Any) -> Any:
        """The true chances to die (R, E) at ages (R, E)."""
        runs = np.arange(len(age))[:, None]
        last = self.omega - 1
        if isinstance(age, np.ndarray):
            nearest = age.round().astype(int)
            place = nearest.clip(0, last)
            return self.mortality[runs, place]
        whole = age.detach().round()
        place = whole.long().clamp(0, last)
        return self._mortality_tensor[runs, place]

    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """A cohort at birth."""
        born = torch.tensor([0.0, 1.0, 1.0], dtype=torch.float64, device=self.device)
        return born.repeat(self.runs, episodes, 1)

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """A year."""
        age, alive, true = coordinates(state)
        chosen = action[..., 0].clip(-1, 1)
        share = 0.5 - 0.5 * chosen
        true_share = 1 - self.q_at(age)
        older = age + 1
        left = alive * share
        true_left = true * true_share
        after = older, left, true_left
        return namespace(state).stack(after, -1)

    def observation(self, state: Any) -> Any:
        """Age over omega, and survivors."""
        age, alive, _ = coordinates(state)
        share = (age / self.omega).clip(0, 1)
        shown = share, alive
        return namespace(state).stack(shown, -1)

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """1 less the error of the life table at the age that is reached."""
        _, alive, true = coordinates(next_state)
        error = alive - true
        return 1 - abs(error)

    def terminal(self, state: Any) -> Any:
        """Never; at omega nobody is left."""
        first = state[..., 0]
        return first != first

    def difference(self, state: Any, other: Any) -> Any:
        """Of the survivors; their age is the same for both."""
        apart = state - other
        return apart[..., 1:2]

    def certificate(self) -> Certificate:
        """1, where nobody dies: an error of a life table never grows, and shrinks by 1 - q under the true chances."""
        one = torch.zeros(self.runs, 1, 3, dtype=torch.float64)
        one[..., 1] = 1
        other = one.clone()
        other[..., 1] = 0.5
        least = self.mortality.min(1)
        kept = tuple((1 - least).tolist())
        return Certificate(
            value=(1.0,) * self.runs,
            metric="difference of the survivors",
            kind="exact",
            pair=(one, other),
            action=(-1.0,),
            closed_loop=kept,
            diameter=(1.0,) * self.runs,
            note="alpha = 1 - q at each age: D <= (1 - q) D + l epsilon, the drift is stable",
        )

    @property
    def _effort(self) -> np.ndarray:
        """Of the collectors in each year."""
        return survival.effort(self.years, FIRST)

    def _visibility(self, run: int) -> np.ndarray:
        """At each age."""
        eta = self.values("eta")[run]
        return survival.visibility(self.omega, eta)

    def animals(self, run: int, uniform: np.ndarray, births: int) -> survival.Animals:
        """All animals of a run, those in the museum and others, from uniform numbers (years births, 2)."""
        rate = self.values("rate")[run]
        q = self.mortality[run]
        work = self._effort
        visible = self._visibility(run)
        return survival.animals(q, work, visible, rate, births, uniform)

    @cached_property
    def pooled(self) -> np.ndarray:
        """Mean chances (R, omega), over years of birth, to be met by somebody, for each age at death."""
        rows = []
        for run, rate in enumerate(self.values("rate")):
            visible = self._visibility(run)
            chances = survival.exposures(self._effort, visible, rate)
            rows.append(chances.mean(0))
        return np.stack(rows)

    def _drawers(self, streams: Streams, museums: int) -> list[Drawer]:
        """What lies in so many museums, one drawer for each run."""
        count = self.years * self.births
        draws = streams.uniform("museum", museums, count, 2)
        drawers = []
        for run, numbers in enumerate(draws.cpu().numpy()):
            drawer = self._drawer(run, numbers)
            drawers.append(drawer)
        return drawers

    def _drawer(self, run: int, numbers: np.ndarray) -> Drawer:
        """The same of one run, from uniform numbers (museums, years births, 2)."""
        museums = []
        for uniform in numbers:
            everyone = self.animals(run, uniform, self.births)
            museums.append(everyone.museum)
        age = np.concatenate([animals.age for animals in museums])
        exposure = np.concatenate([animals.exposure for animals in museums])
        pooled = self.pooled[run, age]
        return Drawer(age, exposure, pooled)

    def log(self, expert: Expert, streams: Streams, episodes: int) -> Archive:
        """The animals of so many museums, year by year: who died in a year, and who lived; see `ArchiveEnv.log`."""
        drawers = self._drawers(streams, episodes)
        lengths = [1 + drawer.age for drawer in drawers]
        length = _rows(lengths, 0)
        exposure = _rows([drawer.exposure for drawer in drawers], 1.0)
        pooled = _rows([drawer.pooled for drawer in drawers], 1.0)
        lives = self._lives(length)
        return Archive(lives, exposure, pooled)

    def _lives(self, length: torch.Tensor) -> Rollout:
        """Lives of so many years (R, E) as rollouts beside the true life table."""
        runs, animals = length.shape
        omega = self.omega
        alive = torch.from_numpy(survival.survivors(self.mortality))
        age = torch.arange(omega + 1.0, dtype=torch.float64).expand(runs, -1)
        path = torch.stack((age, alive, alive), -1)
        state = path[:, None].expand(-1, animals, -1, -1)
        last = length[..., None] - 1
        dies = torch.arange(omega) == last
        action = torch.where(dies, 1.0, -1.0)
        never = torch.zeros_like(length, dtype=torch.bool)
        return Rollout(
            state=state,
            action=action[..., None].double(),
            reward=torch.zeros(runs, animals, omega, dtype=torch.float64),
            length=length,
            terminated=never,
            truncated=never,
            broke=torch.full_like(length, -1),
        )

    def reader(self, streams: Streams, corrected: bool) -> Expert:
        """Whoever takes the museum's ages for those of the living, or weighs them; see `LoggedEnv.reader`."""
        tables = []
        for drawer in self._drawers(streams, 1):
            chance = drawer.pooled if corrected else np.ones_like(drawer.pooled)
            table = life_table(drawer.age, 1 / chance, omega=self.omega)
            tables.append(table.q)
        # Nobody is known to have lived where nobody is known.
        chances = np.nan_to_num(np.stack(tables), nan=1.0)
        return AgeReader(torch.from_numpy(chances))

    def draw(
        self,
        state: np.ndarray,
        size: tuple[int, int],
        ghost: np.ndarray | None = None,
        colour: str | None = None,
    ) -> np.ndarray:
        """A Lexis diagram of lives and of the collectors' effort; beneath it the life table up to the present age."""
        own = np.atleast_2d(state)
        twin = self._truth(own[-1, 0]) if ghost is None else np.atleast_2d(ghost)[:, :2]
        table = Table(own[:, :2], twin)
        return lexis(size, self._drawn, table, colour)

    def _truth(self, age: float) -> np.ndarray:
        """The true life table up to an age, points (n, 2)."""
        count = 1 + min(round(age), self.omega)
        ages = np.arange(count)
        alive = survival.survivors(self.mortality[0])
        points = ages, alive[:count]
        return np.stack(points, -1)

    @cached_property
    def _drawn(self) -> Lexis:
        """Some animals of a museum, for the picture."""
        streams = Streams(self.seeds).fork("picture")
        count = self.years * DRAWN
        uniform = streams.uniform("museum", 1, count, 2)
        numbers = uniform[0, 0].numpy()
        animals = self.animals(0, numbers, DRAWN)
        is_met = animals.met >= 0
        columns = animals.born.tolist(), animals.age.tolist(), is_met.tolist()
        lives = tuple(Life(*row) for row in zip(*columns, strict=True))
        effort = tuple(self._effort.tolist())
        return Lexis(FIRST, effort, lives, self.horizon)


class Drawer(NamedTuple):
    """Specimens of a run.

    Attributes:
        age: (n,) at death, in completed years.
        exposure: (n,) chance to be met within the life.
        pooled: (n,) mean of that chance over the years in which such an animal may be born.
    """

    age: np.ndarray
    exposure: np.ndarray
    pooled: np.ndarray


class AgeReader(Expert):
    """Knows a chance to die for each age.

    Args:
        chances: (R, omega).
    """

    def __init__(self, chances: torch.Tensor):
        self.chances = chances

    def act(self, state: torch.Tensor) -> torch.Tensor:
        """See `Expert.act`."""
        chances = self.chances.to(state.device)
        last = chances.shape[1] - 1
        nearest = state[..., 0].round()
        age = nearest.long().clamp(0, last)
        q = chances.gather(1, age)
        action = 2 * q - 1
        return action[..., None]


def _rows(columns: list[np.ndarray], fill: float) -> torch.Tensor:
    """Numbers of each run, of different lengths, as one tensor (R, n)."""
    counts = [len(column) for column in columns]
    shape = len(columns), max(counts)
    whole = np.full(shape, fill, dtype=columns[0].dtype)
    for row, column in zip(whole, columns, strict=True):
        size = len(column)
        row[:size] = column
    return torch.from_numpy(whole)
