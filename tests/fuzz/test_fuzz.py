"""Random networks: a few that were hard once, and some that nobody has looked at."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tools.fuzz.judge import judge
from tools.fuzz.net import RandomNet

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("seed", range(24))
def test_random_network_is_proved(seed: int) -> None:
    net = RandomNet(seed, 10)
    status, text = judge(net)
    assert status == "verified", f"{net}\n{text}"


def test_a_network_is_its_seed() -> None:
    one, two = (RandomNet(7, 8) for _ in range(2))
    assert str(one) == str(two)
    assert torch.equal(one.example(), two.example())
    for a, b in zip(one(one.example()), two(two.example()), strict=True):
        assert torch.equal(a, b)


def test_the_command_reports_what_it_found() -> None:
    command = [sys.executable, "-m", "tools.fuzz", "--first", "3", "--count", "2", "--length", "4"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "2 verified"), done.stderr
