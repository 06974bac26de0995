from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import settings

# `make test` asks for it: the examples of a property follow from its text, so that a red gate is
# red again for who looks into it. A plain `pytest` goes on looking for examples at random.
settings.register_profile("gate", derandomize=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-goldens",
        action="store_true",
        help="write what the passes now print into tests/text/*.ir and into their docstrings",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Tiny matrices: threads, of torch or of the workers beside, only get in each other's way."""
    torch.set_num_threads(1)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.suffix != ".ir":
        return None
    from tests.text.collector import TextFile

    return TextFile.from_parent(parent, path=file_path)
