"""c' = (1 - rho) c + rho clicks, e' = (1 - rho) e + rho theta(rank): a list that is sorted by what it was clicked for.

A day shows n items in one order (Plackett & Luce at temperature tau) to many visitors, who look at rank k with chance
theta_k and click what they look at with its relevance gamma. Who sorts by remembered clicks c sorts by where things
stood; who divides by remembered exposure e sorts by relevance. The retraining loop is the episode: what is shown today
is what is known tomorrow. The clicks of V visitors are a log-normal number with the mean and the variance of their
binomial share, which is never 0. Cascade and trust clicks are worlds in which the assumed theta is wrong.

With features, items are new in each episode and relevance is sqrt(best worst) (best/worst)**(w x / 2), x in [-1, 1]: probes
learn w from the clicks on earlier lists, which all stood the wrong way round, and rank what nobody has clicked yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from gymnasium import spaces

from il_bench import Certificate, Expert, LoggedEnv, Streams, Values, namespace, require
from il_bench.exposure.feedback import Loop, amplification
from il_bench.exposure.rankers import Ranker, ranker
from il_bench.exposure.ranking import EYES, RIGHTLY, WRONGLY
from il_bench.paint.cards import Card, cards

FAINT = 1e-6
"""The least clicks and exposure of which a logarithm is taken."""
COORDINATES = {
    "clicks": "of a visit",
    "exposure": "of a visit",
    "relevance": "chance",
    "rank": "from 0",
}
"""What the state holds of each item, and its unit."""
UNIT = 10.0
"""Logarithms of scores are actions times this."""


@dataclass(frozen=True, kw_only=True)
class Ranked(LoggedEnv):
    """c' = (1 - rho) c + rho clicks: a ranked list that learns from the clicks that its own order brings about."""

    horizon: int = 100
    """Days in an episode, T."""
    items: int = 10
    """How many are sorted, n."""
    eta: Values = 1.0
    """Position bias: rank k is looked at with chance k**-eta, or with an eye-tracking table's to the power eta."""
    curve: Literal["power", "eyes"] = "power"
    """Which of the two."""
    cutoff: int = 0
    """Ranks below it are not shown, so that nobody looks there; 0 shows all."""
    clicks: Literal["position", "cascade", "trust"] = "position"
    """Visitors click what they look at and like; leave with the first click; or click because of the rank, too."""
    temperature: Values = 0.02
    """Tau of Plackett & Luce: by how much scores may differ and yet change places; 0 sorts by score alone."""
    memory: Values = 0.1
    """Rho, the share of what is remembered that is new each day."""
    visits: Values = 200.0
    """Visitors a day, V."""
    explore: Values = 0.0
    """Chance, each day, that the order is drawn at random, each alike."""
    best: Values = 0.5
    """Relevance of the best item: chance that it is clicked when it is looked at; they are evenly spaced."""
    worst: Values = 0.05
    """That of the worst item."""
    features: int = 0
    """Numbers that describe each item, d: `best` and `worst` are then relevances of the best and worst conceivable; 0 is none."""
    lists: int = 100
    """Earlier lists, of a day each, from which probes learn what features are worth."""
    scale: Literal["plain", "log"] = "plain"
    """Observations of clicks and exposure, and actions, as they are or logarithms: the score is then exp(10 action)."""

    arrays: ClassVar = "any"
    excitation: ClassVar = {"explore": 0.1}

    @property
    def states(self) -> dict[str, str]:  # type: ignore[override]
        """Of each item: remembered clicks and exposure, hidden relevance, the rank at which it was shown, its features."""
        coordinates = dict(COORDINATES)
        for number in range(1, 1 + self.features):
            coordinates[f"feature {number} of"] = "-1 to 1"
        names = {}
        for name, unit in coordinates.items():
            for item in range(1, self.items + 1):
                names[f"{name} {item}"] = unit
        return names

    @property
    def noise_size(self) -> int:  # type: ignore[override]
        """Two numbers for the place and one for the clicks of each item, two for the day."""
        return 3 * self.items + 2

    def validate(self) -> None:
        """Refuse lists that nobody could sort."""
        items = self.items
        require(items >= 2, f"items: expected at least 2, got {items}; one has no order")
        ranks_known = len(EYES)
        known = self.curve != "eyes" or items <= ranks_known
        require(known, f"items: the eye-tracking table has {ranks_known} ranks, got {items}")
        self._require_ranks_shown()
        numbers = self.features
        require(numbers >= 0, f"features: expected 0 or more, got {numbers}; 0 describes nothing")
        days = self.lists
        require(days >= 2, f"lists: expected at least 2, got {days}; try 100")
        for name in ("eta", "temperature"):
            least = min(self.values(name))
            require(least >= 0, f"{name}: expected a number of at least 0, got {least:g}")
        for name in ("memory", "explore", "best", "worst"):
            self._require_chances(name)
        visitors = min(self.values("visits"))
        require(visitors >= 1, f"visits: expected at least 1 a day, got {visitors:g}; try 200")

    def _require_ranks_shown(self) -> None:
        """Refuse to show more ranks than there are."""
        fits = 0 <= self.cutoff <= self.items
        wanted = f"cutoff: expected 1 to {self.items} ranks that are shown"
        require(fits, f"{wanted}, got {self.cutoff}; 0 shows all")

    def _require_chances(self, name: str) -> None:
        """Refuse what is no chance; only exploring may be 0."""
        for chance in self.values(name):
            possible = 0 < chance <= 1
            never = name == "explore" and chance == 0
            wanted = f"{name}: expected a chance from 0 to 1"
            require(possible or never, f"{wanted}, got {chance:g}; try 0.1")

    @property
    def observation_space(self) -> spaces.Box:
        """Remembered clicks of all items, then their exposure, or the logarithms of both; then feature after feature."""
        if self.scale == "plain":
            return self._box(0.0, 1.0)
        faint = float(np.log(FAINT))
        return self._box(faint, 0.0)

    def _box(self, least: float, most: float) -> spaces.Box:
        """Observations of which what is remembered lies within some bounds."""
        n = self.items
        size = n * (2 + self.features)
        low = np.full(size, -1.0, np.float32)
        high = np.full(size, 1.0, np.float32)
        low[: 2 * n] = least
        high[: 2 * n] = most
        return spaces.Box(low, high)

    @property
    def action_space(self) -> spaces.Box:
        """A score for each item."""
        return spaces.Box(-1.0, 1.0, (self.items,))

    @property
    def ranks_shown(self) -> int:
        """How many."""
        return self.cutoff or self.items

    def parts(self, state: Any) -> list[Any]:
        """Clicks, exposure, relevance and rank, (R, E, n) each."""
        n = self.items
        starts = range(0, 4 * n, n)
        return [state[..., start : start + n] for start in starts]

    def described(self, state: Any) -> Any:
        """Features (R, E, n, d)."""
        n = self.items
        rows = state[..., 4 * n :]
        lead = rows.shape[:-1]
        by_feature = rows.reshape(*lead, self.features, n)
        return namespace(state).moveaxis(by_feature, -2, -1)

    @cached_property
    def taste(self) -> torch.Tensor:
        """What features are worth to visitors, w (R, d), of absolute sum one."""
        streams = Streams(self.seeds, self.device).fork("taste")
        draws = streams.normal("weights", 1, self.features)
        worth = draws[:, 0]
        total = worth.abs().sum(1, keepdim=True)
        return worth / total

    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """After a day on which the items stood the wrong way round, the worst first."""
        n = self.items
        noise = streams.normal("initial clicks", episodes, n).to(self.device)
        relevance, rank, features = self._stock(streams, episodes)
        chance = self.click_chance(relevance, rank)
        clicks = self.counted(chance, noise)
        exposure = self.attention(rank)
        parts = clicks, exposure, relevance, rank, features
        return torch.cat(parts, -1)

    def _stock(
        self, streams: Streams, episodes: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Relevance and first rank (R, E, n) of items, and their features (R, E, d n)."""
        n = self.items
        traits = streams.uniform("features", episodes, self.features * n)
        features = 2 * traits.to(self.device) - 1
        if self.features:
            relevance = self.liking(features)
            return relevance, ranks(-relevance), features
        draws = streams.uniform("initial", episodes, n)
        rank = ranks(draws.to(self.device))
        share = rank / (n - 1)
        worst = self.per_run(self.worst, 3)
        best = self.per_run(self.best, 3)
        relevance = worst + (best - worst) * share
        return relevance, rank, features

    def liking(self, features: torch.Tensor) -> torch.Tensor:
        """Relevance (R, E, n) of items with features (R, E, d n)."""
        worst = self.per_run(self.worst, 3)
        best = self.per_run(self.best, 3)
        shape = self.features, self.items
        by_feature = features.unflatten(-1, shape)
        sums = torch.einsum("rd,redn->ren", self.taste, by_feature)
        middle = (best * worst) ** 0.5
        ratio = best / worst
        power = sums / 2
        return middle * ratio**power

    def scores(self, action: Any) -> Any:
        """What items are sorted by (R, E, n), for actions (R, E, n)."""
        chosen = action.clip(-1, 1)
        if self.scale == "plain":
            return chosen
        return namespace(chosen).exp(UNIT * chosen)

    def action_of(self, score: Any) -> Any:
        """The action (R, E, n) whose scores these are, as near as there is one."""
        if self.scale == "plain":
            return score.clip(-1, 1)
        logarithm = namespace(score).log(score.clip(FAINT, None))
        return (logarithm / UNIT).clip(-1, 1)

    def order(self, scores: Any, noise: Any) -> Any:
        """Ranks (R, E, n) from 0, drawn by Plackett & Luce from scores (R, E, n), or at random on days of exploration.

        Sorting scores + tau G by size does that where G is Gumbel's; and -log((x**2 + y**2)/2) of two normal numbers is.
        """
        xp = namespace(scores)
        n = self.items
        gumbel = self._gumbel(noise)
        temperature = self.per_run(self.temperature, 3)
        drawn = scores + temperature * gumbel
        # exp(-(x**2 + y**2) / 2) of two normal numbers is uniform (Box & Muller 1958).
        pair = noise[..., 3 * n :]
        squares = pair**2
        length = squares.sum(-1, keepdims=True)
        coin = xp.exp(-0.5 * length)
        chance = self.per_run(self.explore, 3)
        explores = coin < chance
        key = xp.where(explores, gumbel, drawn)
        return ranks(key)

    def _gumbel(self, noise: Any) -> Any:
        """Gumbel's numbers (R, E, n)."""
        n = self.items
        one = noise[..., :n]
        other = noise[..., n : 2 * n]
        square = one**2 + other**2
        half = 0.5 * square + 1e-300
        return -namespace(noise).log(half)

    def attention(self, rank: Any) -> Any:
        """Theta (...), the assumed chance that ranks (...) from 0 are looked at."""
        eta = self.per_run(self.eta, 3)
        by_power = self.curve == "power"
        one = 1 / (1 + rank) if by_power else _table(rank)
        looked_at = one**eta
        shown = rank < self.ranks_shown
        return looked_at * shown

    def click_chance(self, relevance: Any, rank: Any) -> Any:
        """Chance of a click (R, E, n) on items of relevance (R, E, n) at ranks (R, E, n)."""
        likely = relevance.clip(0, 1)
        if self.clicks == "trust":
            wrongly = WRONGLY / (1 + rank)
            likely = RIGHTLY * likely + wrongly * (1 - likely)
        chance = self.attention(rank) * likely
        if self.clicks == "cascade":
            return chance * self._come_so_far(chance, rank)
        return chance

    def _come_so_far(self, chance: Any, rank: Any) -> Any:
        """Chance (R, E, n) that nothing above each item was clicked, each with its own chance (R, E, n)."""
        xp = namespace(chance)
        # The chances to pass what stands above are multiplied: their logarithms add up.
        possible = chance.clip(0, 0.999)
        passes = xp.log(1 - possible)
        own = rank[..., :, None]
        other = rank[..., None, :]
        is_above = other < own
        passed = is_above * passes[..., None, :]
        total = passed.sum(-1)
        return xp.exp(total)

    def counted(self, chance: Any, noise: Any) -> Any:
        """Clicks (R, E, n) of a visit on a day, for chances and normal numbers (R, E, n)."""
        xp = namespace(chance)
        possible = chance > 0
        mean = xp.where(possible, chance, 0.5)
        visits = self.per_run(self.visits, 3)
        expected = visits * mean
        variance = (1 - mean) / expected
        spread = xp.log(1 + variance)
        deviation = spread**0.5
        exponent = deviation * noise - spread / 2
        share = mean * xp.exp(exponent)
        return possible * share.clip(0, 1)

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """A day."""
        n = self.items
        clicks, exposure, relevance, _ = self.parts(state)
        scores = self.scores(action)
        rank = self.order(scores, noise)
        chance = self.click_chance(relevance, rank)
        first = 2 * n
        of_clicks = noise[..., first : first + n]
        clicked = self.counted(chance, of_clicks)
        looked_at = self.attention(rank)
        clicks = self.remembered(clicks, clicked)
        exposure = self.remembered(exposure, looked_at)
        features = state[..., 4 * n :]
        parts = clicks, exposure, relevance, rank, features
        return namespace(state).concatenate(parts, -1)

    def remembered(self, before: Any, today: Any) -> Any:
        """What is remembered (R, E, n) after a day."""
        share = self.per_run(self.memory, 3)
        kept = (1 - share) * before
        return kept + share * today

    def observation(self, state: Any) -> Any:
        """Remembered clicks and exposure, and features."""
        xp = namespace(state)
        remembered = state[..., : 2 * self.items]
        if self.scale == "log":
            remembered = xp.log(remembered.clip(FAINT, 1))
        features = state[..., 4 * self.items :]
        return xp.concatenate((remembered, features), -1)

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """Normalised discounted cumulative gain of the scores' order, as far as it is shown: 1 is the right order."""
        _, _, relevance, _ = self.parts(state)
        scores = self.scores(action)
        own = self._gain(relevance, ranks(scores))
        right = self._gain(relevance, ranks(relevance))
        return own / right

    def _gain(self, relevance: Any, rank: Any) -> Any:
        """Discounted cumulative gain (R, E) of items at ranks (R, E, n)."""
        discount = namespace(rank).log2(rank + 2)
        shown = rank < self.ranks_shown
        gain = shown * relevance / discount
        return gain.sum(-1)

    def terminal(self, state: Any) -> Any:
        """Never."""
        first = state[..., 0]
        return first != first

    def difference(self, state: Any, other: Any) -> Any:
        """Of remembered clicks and exposure; relevance is the same for both."""
        apart = state - other
        return apart[..., : 2 * self.items]

    @cached_property
    def loops(self) -> list[Loop]:
        """Of each run the loop of whoever sorts by position clicks, linearised where no order is preferred."""
        return [self[run].own_loop() for run in range(self.runs)]

    def own_loop(self) -> Loop:
        """The same of the one run that there is."""
        n = self.items
        (worst,) = self.values("worst")
        (best,) = self.values("best")
        (memory,) = self.values("memory")
        (temperature,) = self.values("temperature")
        (explore,) = self.values("explore")
        relevance = np.linspace(worst, best, n)
        # On a day of exploration the order says nothing of the scores.
        attention = self.attention(np.arange(n, dtype=float))
        looked_at = (1 - explore) * attention
        return amplification(relevance, looked_at.ravel(), memory, temperature)

    def certificate(self) -> Certificate:
        """1 - rho: orders are actions, and what is remembered fades, whatever is done. The loop is another thing."""
        n = self.items
        kept = tuple(1 - memory for memory in self.values("memory"))
        size = len(self.states)
        one = torch.zeros(self.runs, 1, size, dtype=torch.float64)
        other = one.clone()
        other[..., 0] = 0.1
        largest = max(loop.amplification for loop in self.loops)
        law = "exact for two items" if n == 2 else "estimated, by linearisation"
        alpha = f"alpha = L_h + L_x L_fb = {largest:.3g} ({law})"
        return Certificate(
            value=kept,
            metric="Euclidean over remembered clicks and exposure",
            kind="exact",
            pair=(one, other),
            closed_loop=kept,
            diameter=((2.0 * n) ** 0.5,) * self.runs,
            note=f"who sorts by clicks has {alpha}, the expert L_h",
        )

    def reader(self, streams: Streams, corrected: bool) -> Expert:
        """Whoever sorts by clicks, as they are or divided by exposure; see `LoggedEnv.reader`.

        Without features by those that are remembered; with features by what earlier lists taught of them.
        """
        if not self.features:
            return ClickReader(self, corrected)
        rankers = self._rankers(streams, corrected)
        return FeatureReader(self, rankers)

    def _rankers(self, streams: Streams, corrected: bool) -> list[Ranker]:
        """What each run learns of features from earlier lists."""
        state = self.initial(streams, self.lists)
        clicks, exposure, _, _ = self.parts(state)
        features = self.described(state)
        shown = exposure > 0
        looks = exposure if corrected else shown
        tensors = features, clicks, looks
        arrays = [tensor.cpu().numpy() for tensor in tensors]
        logs = zip(*arrays, strict=True)
        return [ranker(*log) for log in logs]

    def draw(
        self,
        state: np.ndarray,
        size: tuple[int, int],
        ghost: np.ndarray | None = None,
        colour: str | None = None,
    ) -> np.ndarray:
        """Two columns of cards: the list as it was shown, and the right one; what stands wrongly is tied by a slope."""
        twin = None if ghost is None else self.parts(ghost)[3]
        clicks, _, relevance, rank = self.parts(state)
        right = ranks(relevance)
        shown = []
        for item in range(self.items):
            card = Card(
                place=int(rank[item]),
                right=int(right[item]),
                worth=float(relevance[item]),
                clicks=float(clicks[item]),
                twin=-1 if twin is None else int(twin[item]),
            )
            shown.append(card)
        return cards(size, shown, self.ranks_shown, colour)


class ClickReader(Expert):
    """Sorts by remembered clicks.

    Args:
        env: the list.
        corrected: whether clicks are divided by remembered exposure; what was never shown has the score 0.
    """

    def __init__(self, env: Ranked, corrected: bool):
        self.env = env
        self.corrected = corrected

    def act(self, state: torch.Tensor) -> torch.Tensor:
        """See `Expert.act`."""
        clicks, exposure, _, _ = self.env.parts(state)
        if self.corrected:
            clicks = clicks / exposure.clamp_min(FAINT)
        return self.env.action_of(clicks)


class FeatureReader(Expert):
    """Sorts by features, which nobody need have clicked.

    Args:
        env: the list.
        rankers: of each run.
    """

    def __init__(self, env: Ranked, rankers: list[Ranker]):
        self.env = env
        weights = [one.weight for one in rankers]
        levels = [one.level for one in rankers]
        self.weight = torch.tensor(np.stack(weights), device=env.device)
        self.level = torch.tensor(levels, dtype=torch.float64, device=env.device)

    def act(self, state: torch.Tensor) -> torch.Tensor:
        """See `Expert.act`."""
        features = self.env.described(state)
        sums = torch.einsum("rd,rend->ren", self.weight, features)
        odds = torch.exp(sums)
        relevance = self.level[:, None, None] * odds
        return self.env.action_of(relevance)


def ranks(scores: Any) -> Any:
    """Ranks (..., n) from 0 of scores (..., n), the largest first, float64."""
    xp = namespace(scores)
    order = xp.argsort(-scores, -1)
    places = xp.argsort(order, -1)
    return places + 0.0 * scores


def _table(rank: Any) -> Any:
    """The eye-tracking table at ranks (...)."""
    xp = namespace(rank)
    chances = xp.zeros_like(rank)
    for number, chance in enumerate(EYES):
        chances = xp.where(rank == number, chance, chances)
    return chances
