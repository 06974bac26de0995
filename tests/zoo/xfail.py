"""Models of the zoo that are known to fail, with the reason. An unexpected pass is a failure.

One table for each test of tests/test_zoo.py: the names of cases, and what is missing.
"""

from __future__ import annotations

MEANING: dict[str, str] = {}
STRUCTURE: dict[str, str] = {}
SYMMETRY: dict[str, str] = {}
