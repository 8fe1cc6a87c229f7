"""Where there can be no sandbox, one sentence says why and what to install; nothing ever runs without one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from flows import doctor
from pipelines.sandbox import Sandbox, Unavailable, seccomp
from tests.conftest import require


def test_without_bubblewrap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(Unavailable, match=r"bubblewrap is not there.*apt install bubblewrap"):
        Sandbox()


def test_on_another_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(Unavailable, match="needs Linux"):
        Sandbox()


def test_without_libseccomp(monkeypatch: pytest.MonkeyPatch) -> None:
    require("bwrap")
    monkeypatch.setattr(seccomp, "LIBRARY", "libseccomp.so.none")
    with pytest.raises(Unavailable, match=r"libseccomp\.so\.none.*apt install libseccomp2"):
        Sandbox()


def test_where_namespaces_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What bubblewrap says there is passed on, whatever it is."""
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(Unavailable, match=r"No permissions to create new namespace.*user\.max_user_namespaces"):
        Sandbox()


def test_where_a_call_cannot_lock_itself_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """One is tried at the start: what a call cannot take upon itself is told before any program is read."""
    require("bwrap")
    monkeypatch.setattr(seccomp, "inner", lambda: b"no filter")
    with pytest.raises(Unavailable, match=r"(?s)could not be set up \(.*OSError"):
        Sandbox()


def test_the_doctor_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    (finding,) = doctor._sandbox(tmp_path)
    assert finding.state == "note" and "apt install bubblewrap" in finding.says


def test_the_doctor_finds_one_that_works(tmp_path: Path) -> None:
    require("bwrap")
    (finding,) = doctor._sandbox(tmp_path)
    assert finding.state == "ok"
