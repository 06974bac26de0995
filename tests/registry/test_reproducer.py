"""Reproducer files, and the command that runs them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gmn_fx.errors import FileError
from gmn_fx.registry import is_reproducer, load_reproducer
from gmn_fx.registry.reproducer import reproducer_text, write_reproducer
from gmn_fx.registry.rerun import main
from tests.registry.programs import small


def _write(path: Path, passes: str) -> None:
    text = reproducer_text(
        small(), passes, failed="x", error=ValueError("v"), path=path, command=""
    )
    write_reproducer(path, text)


def test_is_recognised(tmp_path: Path) -> None:
    _write(tmp_path / "r.txt", "")
    assert is_reproducer(tmp_path / "r.txt")
    (tmp_path / "m.py").write_text("model = None")
    assert not is_reproducer(tmp_path / "m.py")
    assert not is_reproducer(tmp_path / "missing")


@pytest.mark.parametrize("text", ["", "program", "// passes: a\nprogram"])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "r.txt").write_text(text)
    with pytest.raises(FileError, match="is not a reproducer"):
        load_reproducer(tmp_path / "r.txt")


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "r.bin").write_bytes(b"\xff\xfe\x00")
    for name in ("r.bin", "missing"):
        with pytest.raises(FileError, match="cannot read the reproducer"):
            load_reproducer(tmp_path / name)


def test_command_prints_the_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _write(tmp_path / "r.txt", "")
    assert main([str(tmp_path / "r.txt")]) == 0
    assert 'program "small" {' in capsys.readouterr().out


def test_command_reports_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _write(tmp_path / "r.txt", "no-such-pass")
    assert main([str(tmp_path / "r.txt")]) == 2
    assert "error: unknown pass: 'no-such-pass'" in capsys.readouterr().err
    assert main([]) == 2


def test_module_runs(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "gmn_fx.registry", str(tmp_path / "none")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == FileError.exit_code
    assert done.stderr.startswith("error: cannot read the reproducer")
