"""The border to stable-baselines3's policies: networks go out as theirs, and theirs come in as ours.

Networks of the nets mlp and ridge are an ActorCriticPolicy there, which PPO and A2C learn; those of the net relu are a
SACPolicy (TD3's and DDPG's come in as well) or, where actions are Discrete, a DQNPolicy, whose values are the logits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from gymnasium import spaces

from ..core.arrays import Arrays
from ..core.policy import Policy
from ..core.settings import require
from ..fit.fitting import restore
from .sb3_chance import Chance

if TYPE_CHECKING:
    from ..core.env import Env

KINDS = ("mlp", "relu")
"""The nets whose policies stable-baselines3 has as well."""


def to_sb3(policy: Policy, env: Env | None = None) -> Any:
    """A policy as stable-baselines3's: it predicts, it is saved and loaded there, and a model may go on with it.

    The scales of actions are within the last layer; those of observations, where there are any, are a layer in front,
    and opening what was saved then needs il_bench. What only training needs, the critic among it, has learned nothing.

    Args:
        policy: of one run, `policy[r]`, of the nets mlp, ridge or relu.
        env: whose space of observations it is to have; an unbounded one unless given.

    Returns:
        A `BasePolicy`, whose deterministic actions are the same but for the rounding of float32.

    Raises:
        ValueError: for several runs, or a policy that no such network holds.
    """
    require(
        policy.runs == 1,
        f"to_sb3: expected the policy of one run, got {policy.runs}; pick one with policy[r]",
    )
    require_network("to_sb3", policy)
    arrays = {name: array[0] for name, array in getattr(policy, "arrays")().items()}  # noqa: B009
    space = _observations(arrays) if env is None else env.observation_space
    hidden = [bias.shape[-1] for bias in _layers(arrays)[1::2]][:-1]
    settings = {"net_arch": hidden, **_scaler(arrays)}
    make = _maker(policy.kind, policy.action_space)
    with Chance(0).lent():
        theirs = make(space, policy.action_space, _no_rate, settings)
    _fill(_linears(theirs), _unscaled(arrays))
    if hasattr(theirs, "q_net_target"):
        theirs.q_net_target.load_state_dict(theirs.q_net.state_dict())
    theirs.set_training_mode(False)
    return theirs


def require_network(who: str, policy: Policy) -> None:
    """Refuse a policy that is no network which stable-baselines3 has as well."""
    kind = policy.kind or type(policy).__name__
    names = " or ".join(KINDS)
    require(
        policy.kind in KINDS,
        f"{who}: expected a policy that a network of the nets {names} holds, got one of {kind}; choose --net mlp",
    )
    shape = policy.action_space.shape or ()
    flat = isinstance(policy.action_space, spaces.Discrete) or len(shape) == 1
    require(flat, f"{who}: expected actions of one axis, got {shape}; flatten them")


def from_sb3(model: Any) -> Policy:
    """A model of stable-baselines3, or its policy, as a policy of one run: saved, measured and cloned like any other.

    Its observations are taken as they are. As the expert of any number of runs take the model itself:
    `il.expert(env, model)`, or by its path `il.expert(env, "sb3:model.zip", trust=True)`.

    Args:
        model: of PPO, A2C, SAC, TD3, DDPG or DQN, with the networks that `MlpPolicy` gives them by default.

    Raises:
        ValueError: when it is of another kind.
    """
    theirs = getattr(model, "policy", model)
    kind = _kind(theirs)
    advice = "give the model itself, as in il.expert(env, model)"
    who = type(theirs).__name__
    wanted = "a tanh network that answers directly or a relu network squeezed by tanh, on flat observations"
    require(bool(kind), f"from_sb3: expected {wanted}, got {who}; {advice}")
    layers = []
    for linear in _linears(theirs):
        layers += [linear.weight.detach().T[None], linear.bias.detach()[None, None]]
    arrays = {f"layer.{i:02d}": layer.float().clone() for i, layer in enumerate(layers)}
    scaling = _scaling_of(theirs, layers[-1].shape[-1])
    return restore(kind, arrays | scaling, theirs.action_space)


def _kind(theirs: Any) -> str:
    """The net that has such a network; "" where none does."""
    from stable_baselines3.common.policies import ActorCriticPolicy
    from stable_baselines3.common.torch_layers import FlattenExtractor
    from stable_baselines3.dqn.policies import DQNPolicy
    from stable_baselines3.sac.policies import SACPolicy
    from stable_baselines3.td3.policies import TD3Policy

    activation = getattr(theirs, "activation_fn", None)
    extractor = getattr(theirs, "features_extractor_class", None)
    seen = getattr(theirs, "observation_space", None)
    flat = len(getattr(seen, "shape", None) or ()) == 1
    plain = flat and extractor in (FlattenExtractor, _scaler_class())
    if not plain or getattr(theirs, "use_sde", False):
        return ""
    if isinstance(theirs, ActorCriticPolicy):
        return "mlp" if activation is torch.nn.Tanh else ""
    squeezed = isinstance(theirs, SACPolicy | TD3Policy | DQNPolicy)
    return "relu" if squeezed and activation is torch.nn.ReLU else ""


def _linears(theirs: Any) -> list[torch.nn.Linear]:
    """The linear layers of a policy's actor, or of its values of actions, in order."""
    if hasattr(theirs, "q_net"):
        parts = [theirs.q_net.q_net]
    elif hasattr(theirs, "mlp_extractor"):
        parts = [theirs.mlp_extractor.policy_net, theirs.action_net]
    elif hasattr(theirs.actor, "latent_pi"):
        parts = [theirs.actor.latent_pi, theirs.actor.mu]
    else:
        parts = [theirs.actor.mu]
    modules = [module for part in parts for module in part.modules()]
    return [module for module in modules if isinstance(module, torch.nn.Linear)]


def _layers(arrays: Arrays) -> list[torch.Tensor]:
    """W, b, W, b, ... of one run."""
    return [arrays[name] for name in sorted(arrays) if name.startswith("layer.")]


def _unscaled(arrays: Arrays) -> list[torch.Tensor]:
    """The same, float64, with the scales of actions in the last two."""
    layers = [layer.double() for layer in _layers(arrays)]
    if "scaling.scale" in arrays:
        scale = arrays["scaling.scale"].double()
        shift = arrays["scaling.shift"].double()
        layers[-2] = layers[-2] * scale
        layers[-1] = layers[-1] * scale + shift
    return layers


def _fill(linears: list[torch.nn.Linear], layers: list[torch.Tensor]) -> None:
    """Put weights W (in, out) and biases b (1, out) into linear layers."""
    pairs = zip(layers[::2], layers[1::2], strict=True)
    with torch.no_grad():
        for linear, (weight, bias) in zip(linears, pairs, strict=True):
            linear.weight.copy_(weight.T)
            linear.bias.copy_(bias[0])


def _observations(arrays: Arrays) -> spaces.Box:
    """An unbounded space of as many observations as the network takes."""
    size = arrays["scaling.mean"].shape[-1]
    return spaces.Box(-np.inf, np.inf, (size,), np.float32)


def _no_rate(remaining: float) -> float:
    """The learning rate of what does not learn."""
    return 0.0


Maker = Callable[
    [spaces.Space[Any], spaces.Space[Any], Callable[[float], float], dict[str, Any]], Any
]
"""(observations, actions, learning rate, settings) -> a policy."""


def _maker(kind: str, actions: spaces.Space[Any]) -> Maker:
    """Who makes the policy that has such a network."""
    from stable_baselines3.common.policies import ActorCriticPolicy
    from stable_baselines3.dqn.policies import DQNPolicy
    from stable_baselines3.sac.policies import SACPolicy

    cls: Any = ActorCriticPolicy
    if kind == "relu":
        cls = DQNPolicy if isinstance(actions, spaces.Discrete) else SACPolicy
    return lambda seen, done, rate, settings: cls(seen, done, rate, **settings)


def _scaler(arrays: Arrays) -> dict[str, Any]:
    """The layer in front that scales observations, as settings of a policy; none where they are taken as they are."""
    mean = arrays["scaling.mean"][0]
    std = arrays["scaling.std"][0]
    if not mean.any() and bool((std == 1).all()):
        return {}
    numbers = {"mean": mean.tolist(), "std": std.tolist()}
    return {"features_extractor_class": _scaler_class(), "features_extractor_kwargs": numbers}


def _scaling_of(theirs: Any, outputs: int) -> Arrays:
    """The scales (1, 1, O) of observations that a policy has, and none of its actions (1, 1, U)."""
    size = theirs.observation_space.shape[0]
    front = theirs.features_extractor_kwargs
    scales = {
        "mean": torch.tensor(front.get("mean", [0.0] * size)),
        "std": torch.tensor(front.get("std", [1.0] * size)),
        "shift": torch.zeros(outputs),
        "scale": torch.ones(outputs),
    }
    return {f"scaling.{name}": value.float()[None, None] for name, value in scales.items()}


def _scaler_class() -> Any:
    """The class of that layer, whose file needs stable-baselines3."""
    from .sb3_scaler import Scaler

    return Scaler
