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
        found: list[tuple[Dataset, Policy]] = []
        while (path := self._path(len(found))).is_file():
            found.append(self._read(path, env, log))
        return found

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

    def _read(self, path: Path, env: Env, log: Log) -> tuple[Dataset, Policy]:
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, "pt", device=env.device) as held:
                texts = held.metadata()
                arrays = {name: held.get_tensor(name) for name in held.keys()}  # noqa: SIM118
            spent = json.loads(texts["log"])
            part = Dataset(**_below(arrays, "data"), lengths=tuple(json.loads(texts["lengths"])))
            policy: Any = restore(texts["kind"], _below(arrays, "policy"), env.action_space)
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"checkpoint: {path} is damaged ({error}); delete {path.parent} and begin again"
            ) from None
        for name in SPENT:
            setattr(log, name, torch.from_numpy(np.array(spent[name])).to(env.device))
        log.updates, log.episodes = spent["updates"], spent["episodes"]
        log.broke = {int(run): at for run, at in spent["broke"].items()}
        log.starts = [array for name, array in arrays.items() if name == "starts"]
        return part, policy


def _below(arrays: dict[str, torch.Tensor], name: str) -> dict[str, torch.Tensor]:
    return {k.partition("/")[2]: v for k, v in arrays.items() if k.startswith(f"{name}/")}


def _packed(part: Dataset, policy: Any, log: Log) -> bytes:
    """A round's file."""
    from safetensors.numpy import save

    require(
        hasattr(policy, "arrays"),
        f"checkpoint: a {type(policy).__name__} cannot be kept; leave --checkpoint-every out",
    )
    held = {"data/obs": part.obs, "data/action": part.action, "data/weight": part.weight}
    held |= {} if part.exposure is None else {"data/exposure": part.exposure}
    held |= {"starts": torch.cat(log.starts, 1)} if log.starts else {}
    held |= {f"policy/{k}": v for k, v in policy.arrays(resume=True).items()}
    spent: dict[str, Any] = {name: torch.as_tensor(getattr(log, name)).tolist() for name in SPENT}
    spent |= {"updates": log.updates, "episodes": log.episodes, "broke": log.broke}
    texts = {"kind": policy.kind, "lengths": json.dumps(part.lengths), "log": json.dumps(spent)}
    return save({k: np.ascontiguousarray(v.detach().cpu().numpy()) for k, v in held.items()}, texts)
