"""Checkpoints: the rounds of a long training, kept one file each, so that an interrupted one goes on where it ended.

A round's file holds its samples, its policy and what had been spent until then. It is written whole or not at all, and
whatever a resumed training computes is bit for bit what it would have computed: randomness is keyed, not remembered.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..core.env import Env
from ..core.files import write_whole
from ..core.policy import SPENT, Log, Policy
from ..core.settings import require
from ..fit.dataset import Dataset
from ..fit.fitting import restore
from .sealed import opened, sealed

TEXTS = {"kind", "lengths", "log"}
"""What the header of a round's file says."""


@dataclass
class Checkpoint:
    """Where a learner that goes round by round keeps them.

    Attributes:
        folder: of one training's files; another training has another.
        every: rounds between one writing and the next.
    """

    folder: Path
    every: int = 1
    _waiting: list[tuple[int, bytes]] = field(default_factory=list)

    def rounds(self, env: Env, log: Log) -> list[tuple[Dataset, Policy]]:
        """Samples and policy of each round that was kept, the first ones without a gap; `log` is set to the last one's.

        Raises:
            ValueError: for a file that is damaged.
        """
        paths = [self._path(number) for number in range(self.count)]
        return [_read(path, env, log) for path in paths]

    def keep(self, i: int, part: Dataset, policy: Policy, log: Log) -> None:
        """Keep round i; written at once, or with others when their number is reached.

        Raises:
            ValueError: when the folder cannot be written, or the disk is full.
        """
        if self._path(i).is_file():
            return
        self._waiting.append((i, _packed(part, policy, log)))
        if len(self._waiting) >= self.every:
            self.flush()

    def flush(self) -> None:
        """Write the rounds that wait for others.

        Raises:
            ValueError: when the folder cannot be written, or the disk is full.
        """
        while self._waiting:
            number, content = self._waiting[0]
            self._write(self._path(number), content)
            del self._waiting[0]

    @property
    def count(self) -> int:
        """How many rounds are kept, the first ones without a gap."""
        number = 0
        while self._path(number).is_file():
            number += 1
        return number

    def clear(self) -> None:
        """Forget all rounds: the training is over."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, i: int) -> Path:
        return self.folder / f"round-{i:04d}.safetensors"

    def _write(self, path: Path, content: bytes) -> None:
        try:
            write_whole(path, content)
        except OSError as error:
            raise ValueError(
                f"checkpoint: {self.folder} cannot be written ({error.strerror}); mend that and go on"
            ) from None


def _read(path: Path, env: Env, log: Log) -> tuple[Dataset, Policy]:
    """Samples and policy of a kept round; what had been spent until then goes into the log."""
    try:
        texts, numbers = opened(path, TEXTS)
        arrays = {name: _tensor(array, env.device) for name, array in numbers.items()}
        spent = json.loads(texts["log"])
        lengths = tuple(json.loads(texts["lengths"]))
        part = Dataset(**_below(arrays, "data"), lengths=lengths)
        policy: Any = restore(texts["kind"], _below(arrays, "policy"), env.action_space)
    except (OSError, KeyError, TypeError, ValueError) as error:
        advice = f"delete {path.parent} and begin again"
        raise ValueError(f"checkpoint: {path} is damaged ({error}); {advice}") from None
    _set_spent(log, spent, env.device)
    log.starts = [array for name, array in arrays.items() if name == "starts"]
    return part, policy


def _spent(log: Log) -> dict[str, Any]:
    """What a training has cost until now, as JSON holds it."""
    counts = {name: torch.as_tensor(getattr(log, name)).tolist() for name in SPENT}
    return counts | {"updates": log.updates, "broke": log.broke}


def _set_spent(log: Log, spent: dict[str, Any], device: str) -> None:
    """The way back from `_spent`."""
    for name in SPENT:
        counts = np.array(spent.get(name, 0))  # one of an earlier version counted less
        setattr(log, name, torch.from_numpy(counts).to(device))
    log.updates = spent["updates"]
    log.broke = {int(run): update for run, update in spent["broke"].items()}


def _below(arrays: dict[str, torch.Tensor], name: str) -> dict[str, torch.Tensor]:
    """The arrays whose names begin with `name/`, without that."""
    prefix = f"{name}/"
    own = [key for key in arrays if key.startswith(prefix)]
    return {key.removeprefix(prefix): arrays[key] for key in own}


def _packed(part: Dataset, policy: Any, log: Log) -> bytes:
    """A round's file."""
    possible = hasattr(policy, "arrays")
    advice = "leave --checkpoint-every out"
    require(possible, f"checkpoint: a {type(policy).__name__} cannot be kept; {advice}")
    arrays = {f"data/{name}": array for name, array in part.arrays.items()}
    if log.starts:
        arrays["starts"] = torch.cat(log.starts, 1)
    for name, array in policy.arrays(resume=True).items():
        arrays[f"policy/{name}"] = array
    texts = {
        "kind": policy.kind,
        "lengths": json.dumps(part.lengths),
        "log": json.dumps(_spent(log)),
    }
    contents = {name: array.detach().cpu().numpy() for name, array in arrays.items()}
    return sealed(contents, texts)


def _tensor(array: np.ndarray, device: str) -> torch.Tensor:
    """An array of a file, which may be read-only, as a tensor of its own."""
    return torch.from_numpy(array.copy()).to(device)
