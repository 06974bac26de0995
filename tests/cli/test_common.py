"""Errors, exit codes and outputs: one message on stderr, nothing half-written."""

from __future__ import annotations

import os
from pathlib import Path

import click
import pytest

from gmn_fx import errors
from gmn_fx.cli.common import check_writable, run


def raising(error: BaseException) -> click.Command:
    @click.command("gmn-test")
    def command() -> None:
        raise error

    return command


ERRORS = [
    cls
    for cls in vars(errors).values()
    if isinstance(cls, type) and issubclass(cls, errors.GmnError)
]


@pytest.mark.parametrize("cls", ERRORS, ids=lambda c: c.__name__)
def test_errors_become_one_message_and_their_exit_code(
    cls: type[errors.GmnError], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(raising(cls("it broke", hint="mend it")), []) == cls.exit_code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "error: it broke\n  hint: mend it\n"


def test_notes_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    error = errors.PassError("it broke")
    error.add_note("passes already run: a, b")
    run(raising(error), [])
    assert "  passes already run: a, b\n" in capsys.readouterr().err


def test_brackets_in_messages_are_not_markup(capsys: pytest.CaptureFixture[str]) -> None:
    run(raising(errors.LoadError("x[bold]y[/bold] :smile: [1, 2]")), [])
    assert "x[bold]y[/bold] :smile: [1, 2]" in capsys.readouterr().err


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_interrupts(error: BaseException, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(raising(error), []) == 130
    assert "interrupted" in capsys.readouterr().err


def test_a_bug_says_so_with_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(raising(ZeroDivisionError("oops")), []) == 70
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "error: gmn-fx failed with an unforeseen ZeroDivisionError: oops" in err
    assert "please report it" in err


def test_unknown_options_are_usage_errors(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(raising(ValueError()), ["--nonsense"]) == 2
    assert "--nonsense" in capsys.readouterr().err


def test_unwritable_outputs(tmp_path: Path) -> None:
    check_writable(None)
    check_writable(tmp_path / "new.pt")
    with pytest.raises(errors.FileError, match="directory"):
        check_writable(tmp_path)
    with pytest.raises(errors.FileError, match="there is no directory"):
        check_writable(tmp_path / "missing" / "new.pt")
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.FileError, match="there is no directory"):
        check_writable(tmp_path / "file" / "new.pt")
    assert sorted(os.listdir(tmp_path)) == ["file"]
