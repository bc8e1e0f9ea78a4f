"""What passes once passes again: no test of this folder draws numbers that another process would not."""

import random

import numpy as np
import pytest
import torch
from hypothesis import settings


def drawn() -> list[float]:
    """A number from each generator that belongs to the process."""
    return [random.random(), np.random.random(), torch.rand(()).item()]  # noqa: NPY002


IMPORTED = drawn()


@pytest.mark.parametrize("time", range(2))
def test_numbers_drawn_while_importing_and_in_a_test_are_those_of_a_fixed_seed(time):
    torch_alone = torch.rand((), generator=torch.Generator().manual_seed(0)).item()
    same = [random.Random(0).random(), np.random.RandomState(0).random(), torch_alone]
    assert same == IMPORTED
    assert same == drawn()


def test_made_up_examples_are_the_same_and_have_no_deadline():
    assert settings().derandomize
    assert settings().deadline is None
