"""The formulas of the field as functions; each names its source and is tested against enumeration or simulation.

Schedules; growth of a deviation in a metric (small gain); loss of return on chains, in closed form; bounds; and the
performance difference of tabular policies. Rates are chances a step, `horizon` is T, and everything is float64. What
lies outside a formula's domain, which its arguments state, is refused by a ValueError.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

Regime = Literal["saturating", "linear", "diffusive", "explosive"]

EPS = float(np.finfo(float).eps)
"""What rounding adds to 1."""


def _within(name: str, value: float, low: float, high: float = math.inf) -> None:
    """Refuse an argument outside its domain.

    Raises:
        ValueError: when the value is not from `low` to `high`.
    """
    if low <= value <= high:
        return
    end = "or more" if high == math.inf else f"to {high:g}"
    got = f"{value:g}; the formula holds there alone"
    raise ValueError(f"{name}: expected {low:g} {end}, got {got}")


def beta(kind: str, i: int, p: float) -> float:
    """Chance that the expert acts in round i = 0, 1, ... of DAgger, or that a token is the teacher's.

    Args:
        kind: "indicator" 1[i = 0]; "constant" p; "linear" max(0, 1 - i/p); "exponential" p**i;
            "sigmoid" p / (p + exp(i/p)), scaled to begin at 1 (scheduled sampling, Bengio et al. 2015).
        i: the round, from 0.
        p: the schedule's parameter: from 0 to 1 of "constant" and "exponential", above 0 of "linear" and "sigmoid".
    """
    _within("i", i, 0)
    if kind in ("constant", "exponential"):
        _within("p", p, 0, 1)
    if kind in ("linear", "sigmoid") and not p > 0:
        raise ValueError(f"p: expected more than 0 rounds for {kind}, got {p:g}; give some")
    if kind == "indicator":
        return float(i == 0)
    if kind == "constant":
        return p
    if kind == "linear":
        return max(0.0, 1 - i / p)
    if kind == "exponential":
        return p**i
    if kind == "sigmoid":
        exponent = min(i / p, 700)
        return (p + 1) / (p + math.exp(exponent))
    raise ValueError(
        f"beta: expected indicator, constant, linear, exponential or sigmoid, got {kind!r}; pick one"
    )


def teacher_share(kind: str, i: float, half: float) -> float:
    """Chance that a symbol is the teacher's after i updates of scheduled sampling (Bengio et al. 2015).

    Args:
        kind: "linear" max(0, 1 - i / (2 h)); "exponential" 2**(-i / h); "sigmoid" k / (k + exp(i / k)), where
            k log k = h, computed so that no i is too large.
        i: updates made, from 0.
        half: h, the update at which the chance is 1/2.
    """
    _within("i", i, 0)
    if not half > 0:
        raise ValueError(f"half: expected more than 0 updates, got {half:g}; give some")
    if kind == "linear":
        return max(0.0, 1 - i / (2 * half))
    if kind == "exponential":
        return float(2 ** (-i / half))
    if kind == "sigmoid":
        k = _product_log_inverse(half)
        return _expit(math.log(k) - i / k)
    raise ValueError(f"decay: expected linear, exponential or sigmoid, got {kind!r}; pick one")


def _product_log_inverse(product: float) -> float:
    """The k above 1 with k log k = product: Newton's method from above, where the function is convex."""
    k = 1 + product
    for _ in range(64):
        nearer = (k + product) / (1 + math.log(k))
        if nearer >= k:
            break
        k = nearer
    return k


def _expit(x: float) -> float:
    """1 / (1 + exp(-x)), which overflows nowhere."""
    small = math.exp(-abs(x))
    return 1 / (1 + small) if x >= 0 else small / (1 + small)


def envelope(epsilon: float, growth: float, horizon: int) -> np.ndarray:
    """Deviation y_t, t = 0 ... T, of y_{t+1} = growth * y_t + epsilon from y_0 = 0: an array (T+1,).

    epsilon (growth**t - 1) / (growth - 1): an error epsilon enters at every step and grows by `growth` a step. Below 1
    it saturates at epsilon / (1 - growth), at 1 it is linear, above 1 explosive; below 0 it alternates. expm1 keeps it
    exact near 1, and it is infinite only where it exceeds the largest number there is.
    """
    times = np.arange(horizon + 1.0)
    return _envelope_at(epsilon, growth, times)


def _envelope_at(epsilon: float, growth: float, t: np.ndarray) -> np.ndarray:
    if growth == 1:
        return epsilon * t
    if growth > 1:
        with np.errstate(over="ignore"):
            return _exploding(epsilon, math.log(growth) * t, growth - 1)
    if growth > 0:
        exponents = t * math.log(growth)
        return epsilon * np.expm1(exponents) / (growth - 1)
    with np.errstate(over="ignore"):
        powers = growth**t
        return epsilon * (1 - powers) / (1 - growth)


def _exploding(epsilon: float, exponents: np.ndarray, excess: float) -> np.ndarray:
    """Epsilon expm1(exponents) / excess of exponents >= 0: by halves, which are finite wherever their product is."""
    half = exponents / 2
    doubled = 2 * np.sinh(half)
    quotient = doubled / excess
    return epsilon * quotient * np.exp(half)


def diffusion(epsilon: float, growth: float, horizon: int) -> np.ndarray:
    """Root mean square of y_t, t = 0 ... T, where y_{t+1} = growth * y_t + epsilon xi_t from y_0 = 0: an array (T+1,).

    epsilon sqrt(sum_{i<t} growth**(2 i)) for errors xi_t that are uncorrelated, of mean 0 and mean square 1. At growth
    1 it is epsilon sqrt(t), where aligned errors give epsilon t; a growth below 0 does what its size does.
    """
    _within("epsilon", epsilon, 0)
    _within("horizon", horizon, 0)
    size = abs(growth)
    t = np.arange(horizon + 1.0)
    if size <= 1:
        squares = _envelope_at(1.0, size**2, t)
        return epsilon * np.sqrt(squares)
    # growth**t sqrt((1 - growth**(-2 t)) / (growth**2 - 1)): the square of growth**t is infinite long before it is.
    exponents = t * math.log(size)
    excess = (size - 1) * (size + 1)
    lengths = np.sqrt(-np.expm1(-2 * exponents) / excess)
    with np.errstate(over="ignore"):
        half = np.exp(exponents / 2)
        return epsilon * half * lengths * half


def naive_growth(lipschitz: float, action_lipschitz: float, policy_lipschitz: float) -> float:
    """The worst-case growth a step, L + L_a Lip(policy): an upper bound that no cancellation is credited to."""
    _within("lipschitz", lipschitz, 0)
    _within("action_lipschitz", action_lipschitz, 0)
    _within("policy_lipschitz", policy_lipschitz, 0)
    return lipschitz + action_lipschitz * policy_lipschitz


def small_gain(contraction: float, slope: float, constant: float = 1.0) -> float:
    """Growth a step of the small-gain bound, rho + C l.

    If the expert's loop is (C, rho)-contracting, and policy minus expert is at most epsilon on the expert's states and
    l-Lipschitz, then D_t <= C y_t with y_{t+1} = (rho + C l) y_t + epsilon: C times the `envelope` of this growth.
    Attained by x' = rho x + C (epsilon + l |x|). A discrete Gronwall inequality.

    Args:
        contraction: rho >= 0, by which the expert's loop shrinks a deviation in a step.
        slope: l >= 0, the Lipschitz constant of policy minus expert.
        constant: C >= 1, by which it may first stretch it.
    """
    _within("contraction", contraction, 0)
    _within("slope", slope, 0)
    _within("constant", constant, 1)
    return contraction + constant * slope


def regime(growth: float, aligned: bool = True, horizon: float = math.inf) -> Regime:
    """What becomes of small errors: saturating, linear, diffusive or explosive.

    Below 1 they saturate, above 1 they explode, at 1 aligned ones add up (t) and zero-mean ones diffuse (sqrt t).
    Growths within 1/T of 1 cannot be told from 1 in T steps. A growth is a size, 0 or more: of a loop that alternates,
    the absolute value of its pole.
    """
    _within("growth", growth, 0)
    _within("horizon", horizon, 1)
    if abs(growth - 1) <= 1 / horizon:
        return "linear" if aligned else "diffusive"
    return "saturating" if growth < 1 else "explosive"


def plateau(epsilon: float, growth: float, constant: float = 1.0) -> float:
    """Where the small-gain bound stays, C epsilon / (1 - growth); infinite from growth 1 on.

    Args:
        epsilon: the error of a step, 0 or more.
        growth: of the bound, a size: 0 or more.
        constant: C >= 1.
    """
    _within("epsilon", epsilon, 0)
    _within("growth", growth, 0)
    _within("constant", constant, 1)
    if growth >= 1:
        return math.inf
    return constant * epsilon / (1 - growth)


def passage_time(epsilon: float, growth: float, level: float) -> float:
    """Time t, a real number, at which the envelope is at a level; infinite where it never is.

    log(1 + level (growth - 1) / epsilon) / log(growth), the inverse of `envelope`; level / epsilon at growth 1.

    Args:
        epsilon: the error of a step, 0 or more.
        growth: 0 or more; an envelope that alternates has no inverse.
        level: 0 or more.
    """
    _within("epsilon", epsilon, 0)
    _within("growth", growth, 0)
    _within("level", level, 0)
    if level == 0:
        return 0.0
    if epsilon == 0:
        return math.inf
    if growth == 1:
        return level / epsilon
    inside = level * (growth - 1) / epsilon
    if inside <= -1:
        return math.inf
    return _log1p(inside, level, growth, epsilon) / math.log(growth) if growth > 0 else 0.0


def _log1p(inside: float, level: float, growth: float, epsilon: float) -> float:
    """log(1 + level (growth - 1) / epsilon), where that quotient (`inside`) is beyond the largest number too."""
    if inside < math.inf:
        return math.log1p(inside)
    excess = math.log(growth - 1)
    return math.log(level) + excess - math.log(epsilon)


def crossing_time(epsilon: float, growth: float, level: float) -> float:
    """The first step t = 0, 1, ... at which the envelope exceeds a level; infinite where it never does.

    Arguments as in `passage_time`.
    """
    passed = passage_time(epsilon, growth, level)
    if not math.isfinite(passed):
        return math.inf
    # Rounding may put the passage on either side of a whole number: ask the envelope itself.
    first = max(math.floor(passed) - 1, 0)
    around = first + np.arange(4.0)
    above = _envelope_at(epsilon, growth, around) > level
    if above.any():
        return float(around[above.argmax()])
    # So late, or so near to its plateau, that a step adds less than the envelope's last digit.
    return math.floor(passed) + 1.0


def chunk_threshold(constant: float, contraction: float) -> float:
    """The shortest action chunk l >= 1 with C rho**l <= 1; infinite where the open loop does not contract.

    ceil(log C / log(1/rho)): executed open-loop for l steps, a deviation is multiplied by at most C rho**l (C >= 1 and
    rho >= 0 of the open loop), so that chunks of this length no longer let it grow from one to the next. After Zhang et
    al. (2025).
    """
    _within("constant", constant, 1)
    _within("contraction", contraction, 0)
    if contraction >= 1:
        return 1.0 if constant * contraction <= 1 else math.inf
    if constant == math.inf:
        return math.inf
    if contraction <= 0:
        return 1.0
    stretch = math.log(constant)
    # A product that is 1 but for rounding counts as 1, however many steps that is.
    rounding = 4 * EPS * (1 + stretch)
    length = (stretch - rounding) / -math.log(contraction)
    return max(1.0, math.ceil(length))


def missing_mass(states: int, actions: int, demonstrations: int) -> float:
    """Chance q that count-based cloning errs at a step of the reset cliff, one table a step.

    q = (1 - 1/A) sum_s rho_s (1 - rho_s)**N over the S-1 good states: a state was not demonstrated at this step, and the
    uniform guess is wrong. S-2 of them are rare, rho = 1/(N+1); what is left is the common one's, whose term Rajaraman
    et al. (2020) leave out: it is up to a quarter of q where N is near S.

    Args:
        states: S >= 2.
        actions: A >= 1.
        demonstrations: N >= S - 3, for the chances of the rare states to add up to no more than 1.
    """
    _within("states", states, 2)
    _within("actions", actions, 1)
    _within("demonstrations", demonstrations, max(states - 3, 0))
    if demonstrations == 0:
        return 1 - 1 / actions
    rare = 1 / (demonstrations + 1)
    rares = (states - 2) * rare
    common = max(1 - rares, 0.0)
    unseen = math.exp(demonstrations * math.log1p(-rare))
    unseen_common = rares**demonstrations
    missing = rares * unseen + common * unseen_common
    return missing * (1 - 1 / actions)


def absorbing_gap(error: float, horizon: int) -> float:
    """Expected loss of return over T steps when each step errs with chance `error` and the first error loses the rest.

    T - (1-e)(1-(1-e)**T)/e, of order T**2 e / 2 while eT is small (Ross & Bagnell 2010). That form subtracts numbers
    near T, and loses every digit where errors are rare; the sum it comes from, sum_{t=1}^T 1 - (1-e)**t, loses none.
    Rates from 1 to 2, at which (1-e)**t alternates, occur in `cascade` and `parity_gap`; none lies outside 0 to 2.
    """
    _within("error", error, 0, 2)
    t = np.arange(1.0, horizon + 1)
    if error >= 1:
        alternating = 1 - (1 - error) ** t
        return float(alternating.sum())
    lost = 0.0 - np.expm1(t * math.log1p(-error))
    return float(lost.sum())


def reset_cliff_gap(states: int, actions: int, demonstrations: int, horizon: int) -> float:
    """Expected loss of return of count-based cloning on the absorbing reset cliff, one table a step.

    T - (1-q)(1-(1-q)**T)/q with q the missing mass. Rajaraman et al. (2020), and exact at every number of
    demonstrations.
    """
    missing = missing_mass(states, actions, demonstrations)
    return absorbing_gap(missing, horizon)


def off_path(error: float, recovery: float, horizon: int) -> np.ndarray:
    """Chance to be off the path after t = 0 ... T steps, (T+1,), of who leaves it and comes back at constant rates.

    e/(e+r) [1 - (1-e-r)**t], the solution of off' = off (1-r) + (1-off) e. Where nothing leads back it is 1 - (1-e)**t.

    Args:
        error: e, from 0 to 1.
        recovery: r, from 0 to 1; above 1 in sum the chance alternates.
        horizon: T.
    """
    _within("error", error, 0, 1)
    _within("recovery", recovery, 0, 1)
    rate = error + recovery
    t = np.arange(horizon + 1.0)
    if rate == 0:
        return np.zeros_like(t)
    stays = 1 - rate
    left = 1 - stays**t
    if stays > 0:
        left = -np.expm1(t * math.log1p(-rate))
    settled: np.ndarray = error / rate * left
    return settled


def cascade(error: float, horizon: int, cost: float = 1.0, recovery: float = 0.0) -> float:
    """Extra loss over T steps of a chain that errs at rate e and costs `cost` more a step from the step after, S(T).

    cost * e/(e+r) * [T - (1-(1-e-r)**T)/(e+r)] with recovery rate r; without it the log-likelihood that a cascade
    loses, (d-c) [T - (1-(1-e)**T)/e], where a token costs c in right contexts and d in wrong ones. Each term is
    e/(e+r) (1-(1-e-r)**t), the chance to be wrong at t = 0 ... T-1, so the sum is `absorbing_gap` of e + r and T - 1.
    """
    _within("error", error, 0, 1)
    _within("recovery", recovery, 0, 1)
    rate = error + recovery
    if rate == 0:
        return 0.0
    late = absorbing_gap(rate, horizon - 1)
    return cost * error / rate * late


def parity_gap(error: float, horizon: int) -> float:
    """Expected mistakes of a free-running parity chain over T steps, with teacher-forced error epsilon.

    T/2 - [1 - (1-2 epsilon)**(T+1)] / (4 epsilon) + 1/2: step t is wrong when an odd number of the first t symbols was
    flipped, with chance (1 - (1-2 epsilon)**t) / 2, so the sum is half an `absorbing_gap` of 2 epsilon.
    """
    _within("error", error, 0, 1)
    return absorbing_gap(2 * error, horizon) / 2


def trap_gap(error: float, horizon: int) -> float:
    """Loss of return on the trap, T**2 epsilon: an error of chance epsilon T at the fork loses all T steps.

    `error` is epsilon, a step's error on the expert's path, at most 1/T. Ross & Bagnell (2010), theorem 2.1, attained.
    """
    _within("error", error, 0)
    _within("horizon", horizon, 1)
    if error * horizon > 1:
        raise ValueError(
            f"error: expected at most 1/T = {1 / horizon:g}, got {error}; epsilon T is a chance"
        )
    return quadratic_bound(error, horizon)


def recover_gap(error: float, k: int, horizon: int) -> float:
    """Loss of return on the chain that an error puts k steps off, with errors of chance e at every step.

    sum_{t=1}^T 1 - (1-e)**min(k, t): one is off the path at t iff one of the last k steps erred. T e at k = 1,
    `absorbing_gap` from k = T on, below k T e in between; e from 0 to 1, k >= 1.
    """
    _within("error", error, 0, 1)
    _within("k", k, 1)
    first_steps = absorbing_gap(error, min(k, horizon))
    later_steps = max(horizon - k, 0)
    if error == 1:
        return first_steps + later_steps
    lost = -math.expm1(k * math.log1p(-error))
    return first_steps + later_steps * lost


def return_gap(error: float, k: int, horizon: int) -> float:
    """As `recover_gap` for who errs with chance e on the path only, and walks back without an error.

    sum_{t=1}^T o_t with o_t = e sum_{s=t-k}^{t-1} (1 - o_s), the chance to be off the path at t: the k steps before t
    are the only ones from which an error is not yet made good. Every term is positive, so nothing cancels. e from 0 to
    1, k >= 1.
    """
    _within("error", error, 0, 1)
    _within("k", k, 1)
    off = np.zeros(horizon + 1)
    for t in range(1, horizon + 1):
        first = max(t - k, 0)
        on_path = 1 - off[first:t]
        off[t] = error * on_path.sum()
    return float(off.sum())


def quadratic_bound(error: float, horizon: int) -> float:
    """T**2 epsilon: the loss of return that an error epsilon on the expert's states can cost (Ross & Bagnell 2010)."""
    _within("error", error, 0)
    _within("horizon", horizon, 0)
    return horizon**2 * error


def recoverable_bound(recoverability: float, error: float, horizon: int) -> float:
    """U T epsilon: with error epsilon on the learner's own states, and V* - Q* <= u (Ross, Gordon & Bagnell 2011)."""
    _within("recoverability", recoverability, 0)
    _within("error", error, 0)
    _within("horizon", horizon, 0)
    return recoverability * horizon * error


def trajectory_bound(largest: float, disagreement: float) -> float:
    """R rho: returns in [0, R], and a chance rho to disagree at all along the expert's path (Foster et al. 2024)."""
    _within("largest", largest, 0)
    _within("disagreement", disagreement, 0, 1)
    return largest * disagreement


def dagger_bound(
    error: float, regret: float, largest: float, horizon: int, betas: Sequence[float]
) -> dict[str, float]:
    """DAgger's bound on min_i E_{d_i} loss, term by term, and their sum as "total".

    epsilon_N + gamma_N + (2 l_max / N) [n_beta + T sum_{i > n_beta} beta_i] (Ross, Gordon & Bagnell 2011, theorem 3.3).
    States under mixture i and under its policy alone differ by at most min(2, 2 T beta_i) in L1: by the first in the
    n_beta rounds with beta_i > 1/T, by the second after them.

    Args:
        error: epsilon_N, the mean loss over rounds of the best policy in hindsight, on the states collected.
        regret: gamma_N, how much more the iterates lost on average, each on the states collected with it.
        largest: l_max, the largest loss in a state.
        horizon: T.
        betas: beta_1 ... beta_N, none above the one before.
    """
    _within("horizon", horizon, 1)
    chances = np.asarray(betas, dtype=float)
    for chance in chances:
        _within("betas", chance, 0, 1)
    if len(chances) == 0 or (np.diff(chances) > 0).any():
        raise ValueError(
            f"betas: expected one a round, none above the one before, got {list(betas)}; see `beta`"
        )
    early = chances > 1 / horizon
    scale = 2 * largest / len(chances)
    later = float(chances[~early].sum())
    terms = {
        "error": error,
        "regret": regret,
        "early rounds": scale * float(early.sum()),
        "later rounds": scale * horizon * later,
    }
    return terms | {"total": sum(terms.values())}


def state_action_values(
    transition: np.ndarray, reward: np.ndarray, policy: np.ndarray, horizon: int
) -> tuple[np.ndarray, np.ndarray]:
    """Q_t (T, S, A) and V_t (T+1, S) of a tabular policy, by backward induction.

    Args:
        transition: chances (S, A, S) of the next state.
        reward: (S, A).
        policy: chances of the actions, (S, A) or (T, S, A).
        horizon: T.
    """
    states, actions = reward.shape
    chances = np.broadcast_to(policy, (horizon, states, actions))
    q = np.zeros((horizon, states, actions))
    v = np.zeros((horizon + 1, states))
    for t in reversed(range(horizon)):
        later = transition @ v[t + 1]
        q[t] = reward + later
        weighted = chances[t] * q[t]
        v[t] = weighted.sum(-1)
    return q, v


def visits(
    transition: np.ndarray, policy: np.ndarray, start: np.ndarray, horizon: int
) -> np.ndarray:
    """Chances d_t (T, S) to be in each state under a tabular policy; arguments as in `state_action_values`."""
    states, actions, _ = transition.shape
    chances = np.broadcast_to(policy, (horizon, states, actions))
    here = np.asarray(start, dtype=float)
    d = [here]
    for t in range(horizon - 1):
        here = np.einsum("s,sa,sax->x", here, chances[t], transition)
        d.append(here)
    return np.stack(d)


def performance_difference(
    transition: np.ndarray,
    reward: np.ndarray,
    learner: np.ndarray,
    expert: np.ndarray,
    start: np.ndarray,
    horizon: int,
) -> tuple[float, float]:
    """Both sides of J(learner) - J(expert) = sum_t E_{s ~ d_t of the learner} [Q*_t(s, learner) - V*_t(s)].

    Kakade & Langford (2002), for T steps; Q* and V* are the expert's. Arguments as in `state_action_values`, with the
    chances (S,) of the first state.
    """
    q, v = state_action_values(transition, reward, expert, horizon)
    own = state_action_values(transition, reward, learner, horizon)[1]
    gained = start @ (own[0] - v[0])
    chances = np.broadcast_to(learner, q.shape)
    d = visits(transition, learner, start, horizon)
    each = chances * q
    advantage = each.sum(-1) - v[:-1]
    expected = d * advantage
    return float(gained), float(expected.sum())


def recoverability(
    transition: np.ndarray, reward: np.ndarray, expert: np.ndarray, horizon: int
) -> float:
    """U = max over t, s, a of V*_t(s) - Q*_t(s, a): what one error costs at most; as in `state_action_values`."""
    q, v = state_action_values(transition, reward, expert, horizon)
    before = v[:-1, :, None]
    lost = before - q
    return float(lost.max())
