"""The formulas of the field as functions; each names its source and is tested against enumeration or simulation.

Schedules; growth of a deviation in a metric (small gain); loss of return on chains, in closed form; bounds; and the
performance difference of tabular policies. Rates are chances a step, `horizon` is T, and everything is float64.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

Regime = Literal["saturating", "linear", "diffusive", "explosive"]


def beta(kind: str, i: int, p: float) -> float:
    """Chance that the expert acts in round i = 0, 1, ... of DAgger, or that a token is the teacher's.

    Args:
        kind: "indicator" 1[i = 0]; "constant" p; "linear" max(0, 1 - i/p); "exponential" p**i;
            "sigmoid" p / (p + exp(i/p)), scaled to begin at 1 (scheduled sampling, Bengio et al. 2015).
        i: the round, from 0.
        p: the schedule's parameter.
    """
    if kind == "indicator":
        return float(i == 0)
    if kind == "constant":
        return p
    if kind == "linear":
        return max(0.0, 1 - i / p)
    if kind == "exponential":
        return p**i
    if kind == "sigmoid":
        return (p + 1) / (p + math.exp(min(i / p, 700)))
    raise ValueError(
        f"beta: expected indicator, constant, linear, exponential or sigmoid, got {kind!r}; pick one"
    )


def envelope(epsilon: float, growth: float, horizon: int) -> np.ndarray:
    """Deviation y_t, t = 0 ... T, of y_{t+1} = growth * y_t + epsilon from y_0 = 0: an array (T+1,).

    epsilon (growth**t - 1) / (growth - 1): an error epsilon enters at every step and grows by `growth` a step. Below 1
    it saturates at epsilon / (1 - growth), at 1 it is linear, above 1 explosive. expm1 keeps it exact near 1.
    """
    return _envelope_at(epsilon, growth, np.arange(horizon + 1.0))


def _envelope_at(epsilon: float, growth: float, t: np.ndarray) -> np.ndarray:
    if growth == 1:
        return epsilon * t
    if growth <= 0:
        return epsilon * (1 - growth**t) / (1 - growth)
    with np.errstate(over="ignore"):
        return epsilon * np.expm1(t * math.log(growth)) / (growth - 1)


def diffusion(epsilon: float, growth: float, horizon: int) -> np.ndarray:
    """Root mean square of y_t, t = 0 ... T, where y_{t+1} = growth * y_t + epsilon xi_t from y_0 = 0: an array (T+1,).

    epsilon sqrt(sum_{i<t} growth**(2 i)) for errors xi_t that are uncorrelated, of mean 0 and mean square 1: the
    envelope in squares. At growth 1 it is epsilon sqrt(t), where aligned errors give epsilon t.
    """
    return np.sqrt(envelope(epsilon**2, growth**2, horizon))


def naive_growth(lipschitz: float, action_lipschitz: float, policy_lipschitz: float) -> float:
    """The worst-case growth a step, L + L_a Lip(policy): an upper bound that no cancellation is credited to."""
    return lipschitz + action_lipschitz * policy_lipschitz


def small_gain(contraction: float, slope: float, constant: float = 1.0) -> float:
    """Growth a step of the small-gain bound, rho + C l.

    If the expert's loop is (C, rho)-contracting, and policy minus expert is at most epsilon on the expert's states and
    l-Lipschitz, then D_t <= C y_t with y_{t+1} = (rho + C l) y_t + epsilon: C times the `envelope` of this growth.
    Attained by x' = rho x + C (epsilon + l |x|). A discrete Gronwall inequality.

    Args:
        contraction: rho, by which the expert's loop shrinks a deviation in a step.
        slope: l, the Lipschitz constant of policy minus expert.
        constant: C >= 1, by which it may first stretch it.
    """
    return contraction + constant * slope


def regime(growth: float, aligned: bool = True, horizon: float = math.inf) -> Regime:
    """What becomes of small errors: saturating, linear, diffusive or explosive.

    Below 1 they saturate, above 1 they explode, at 1 aligned ones add up (t) and zero-mean ones diffuse (sqrt t).
    Growths within 1/T of 1 cannot be told from 1 in T steps.
    """
    if abs(growth - 1) <= 1 / horizon:
        return "linear" if aligned else "diffusive"
    return "saturating" if growth < 1 else "explosive"


def plateau(epsilon: float, growth: float, constant: float = 1.0) -> float:
    """Where the small-gain bound stays, C epsilon / (1 - growth); infinite from growth 1 on."""
    return constant * epsilon / (1 - growth) if growth < 1 else math.inf


def passage_time(epsilon: float, growth: float, level: float) -> float:
    """Time t, a real number, at which the envelope is at a level; infinite where it never is.

    log(1 + level (growth - 1) / epsilon) / log(growth), the inverse of `envelope`; level / epsilon at growth 1.
    """
    if growth <= 0:
        raise ValueError(
            f"growth: expected more than 0, got {growth}; an envelope that alternates has no inverse"
        )
    if growth == 1:
        return level / epsilon
    inside = level * (growth - 1) / epsilon
    return math.log1p(inside) / math.log(growth) if inside > -1 else math.inf


def crossing_time(epsilon: float, growth: float, level: float) -> float:
    """The first step t = 0, 1, ... at which the envelope exceeds a level; infinite where it never does."""
    passed = passage_time(epsilon, growth, level)
    if not math.isfinite(passed):
        return math.inf
    # Rounding may put the passage on either side of a whole number: ask the envelope itself.
    around = max(math.floor(passed) - 1, 0) + np.arange(4.0)
    above = _envelope_at(epsilon, growth, around) > level
    return float(around[above.argmax()]) if above.any() else math.inf


def chunk_threshold(constant: float, contraction: float) -> float:
    """The shortest action chunk l >= 1 with C rho**l <= 1; infinite where the open loop does not contract.

    ceil(log C / log(1/rho)): executed open-loop for l steps, a deviation is multiplied by at most C rho**l (C >= 1 and
    rho of the open loop), so that chunks of this length no longer let it grow from one to the next. After Zhang et al.
    (2025).
    """
    if contraction >= 1:
        return 1.0 if constant * contraction <= 1 else math.inf
    if contraction <= 0:
        return 1.0
    length = math.log(constant) / -math.log(contraction)
    # A product that is 1 but for rounding counts as 1.
    return max(1.0, math.ceil(length - 1e-12))


def missing_mass(states: int, actions: int, demonstrations: int) -> float:
    """Chance q that count-based cloning errs at a step of the reset cliff, one table a step.

    q = (S-2)/(N+1) * (1 - 1/(N+1))**N * (1 - 1/A): the state is one of the S-2 rare ones, was not demonstrated at this
    step, and the uniform guess is wrong. Rajaraman et al. (2020).
    """
    rare = 1 / (demonstrations + 1)
    unseen = math.exp(demonstrations * math.log1p(-rare))
    return (states - 2) * rare * unseen * (1 - 1 / actions)


def absorbing_gap(error: float, horizon: int) -> float:
    """Expected loss of return over T steps when each step errs with chance `error` and the first error loses the rest.

    T - (1-e)(1-(1-e)**T)/e, of order T**2 e / 2 while eT is small (Ross & Bagnell 2010). That form subtracts numbers
    near T, and loses every digit where errors are rare; the sum it comes from, sum_{t=1}^T 1 - (1-e)**t, loses none.
    Rates from 1 to 2, at which (1-e)**t alternates, occur in `cascade` and `parity_gap`.
    """
    t = np.arange(1.0, horizon + 1)
    if error >= 1:
        alternating = 1 - (1 - error) ** t
        return float(alternating.sum())
    lost = 0.0 - np.expm1(t * math.log1p(-error))
    return float(lost.sum())


def reset_cliff_gap(states: int, actions: int, demonstrations: int, horizon: int) -> float:
    """Expected loss of return of count-based cloning on the absorbing reset cliff, one table a step.

    T - (1-q)(1-(1-q)**T)/q with q the missing mass. Rajaraman et al. (2020).
    """
    return absorbing_gap(missing_mass(states, actions, demonstrations), horizon)


def cascade(error: float, horizon: int, cost: float = 1.0, recovery: float = 0.0) -> float:
    """Extra loss over T steps of a chain that errs at rate e and costs `cost` more a step from the step after, S(T).

    cost * e/(e+r) * [T - (1-(1-e-r)**T)/(e+r)] with recovery rate r; without it the log-likelihood that a cascade
    loses, (d-c) [T - (1-(1-e)**T)/e], where a token costs c in right contexts and d in wrong ones. Each term is
    e/(e+r) (1-(1-e-r)**t), the chance to be wrong at t = 0 ... T-1, so the sum is `absorbing_gap` of e + r and T - 1.
    """
    rate = error + recovery
    return cost * error / rate * absorbing_gap(rate, horizon - 1) if rate else 0.0


def parity_gap(error: float, horizon: int) -> float:
    """Expected mistakes of a free-running parity chain over T steps, with teacher-forced error epsilon.

    T/2 - [1 - (1-2 epsilon)**(T+1)] / (4 epsilon) + 1/2: step t is wrong when an odd number of the first t symbols was
    flipped, with chance (1 - (1-2 epsilon)**t) / 2, so the sum is half an `absorbing_gap` of 2 epsilon.
    """
    return absorbing_gap(2 * error, horizon) / 2


def trap_gap(error: float, horizon: int) -> float:
    """Loss of return on the trap, T**2 epsilon: an error of chance epsilon T at the fork loses all T steps.

    `error` is epsilon, a step's error on the expert's path, at most 1/T. Ross & Bagnell (2010), theorem 2.1, attained.
    """
    if error * horizon > 1:
        raise ValueError(
            f"error: expected at most 1/T = {1 / horizon:g}, got {error}; epsilon T is a chance"
        )
    return quadratic_bound(error, horizon)


def recover_gap(error: float, k: int, horizon: int) -> float:
    """Loss of return on the chain that an error puts k steps off, with errors of chance e at every step.

    sum_{t=1}^T 1 - (1-e)**min(k, t): one is off the path at t iff one of the last k steps erred. T e at k = 1,
    `absorbing_gap` from k = T on, below k T e in between.
    """
    lost = -math.expm1(k * math.log1p(-error)) if error < 1 else 1.0
    first_steps = absorbing_gap(error, min(k, horizon))
    return first_steps + max(horizon - k, 0) * lost


def return_gap(error: float, k: int, horizon: int) -> float:
    """As `recover_gap` for who errs with chance e on the path only, and walks back without an error.

    sum_{t=1}^T o_t with o_t = e sum_{s=t-k}^{t-1} (1 - o_s), the chance to be off the path at t: the k steps before t
    are the only ones from which an error is not yet made good. Every term is positive, so nothing cancels.
    """
    off = np.zeros(horizon + 1)
    for t in range(1, horizon + 1):
        earlier = off[max(t - k, 0) : t]
        off[t] = error * (1 - earlier).sum()
    return float(off.sum())


def quadratic_bound(error: float, horizon: int) -> float:
    """T**2 epsilon: the loss of return that an error epsilon on the expert's states can cost (Ross & Bagnell 2010)."""
    return horizon**2 * error


def recoverable_bound(recoverability: float, error: float, horizon: int) -> float:
    """U T epsilon: with error epsilon on the learner's own states, and V* - Q* <= u (Ross, Gordon & Bagnell 2011)."""
    return recoverability * horizon * error


def trajectory_bound(largest: float, disagreement: float) -> float:
    """R rho: returns in [0, R], and a chance rho to disagree at all along the expert's path (Foster et al. 2024)."""
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
    chances = np.asarray(betas, dtype=float)
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
        q[t] = reward + transition @ v[t + 1]
        v[t] = (chances[t] * q[t]).sum(-1)
    return q, v


def visits(
    transition: np.ndarray, policy: np.ndarray, start: np.ndarray, horizon: int
) -> np.ndarray:
    """Chances d_t (T, S) to be in each state under a tabular policy; arguments as in `state_action_values`."""
    chances = np.broadcast_to(policy, (horizon, *transition.shape[:2]))
    d = [np.asarray(start, dtype=float)]
    for t in range(horizon - 1):
        d.append(np.einsum("s,sa,sax->x", d[-1], chances[t], transition))
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
    advantage = (chances * q).sum(-1) - v[:-1]
    return float(gained), float((d * advantage).sum())


def recoverability(
    transition: np.ndarray, reward: np.ndarray, expert: np.ndarray, horizon: int
) -> float:
    """U = max over t, s, a of V*_t(s) - Q*_t(s, a): what one error costs at most; as in `state_action_values`."""
    q, v = state_action_values(transition, reward, expert, horizon)
    return float((v[:-1, :, None] - q).max())
