"""What exists inside the sandbox: Python, its standard library, NumPy, Pillow, the libraries they load, and no more.

Nothing of the machine's own tree is bound but these, read-only, under names that tell nothing of where they lie
outside. There is no /proc, /sys, /dev, /etc, no shell and no program but the interpreter.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path, PurePosixPath

from pipelines.sandbox import guest

HERE = Path(__file__).parent
PACKAGES = ("numpy", "PIL")
BUNDLED = ("numpy.libs", "pillow.libs")  # the libraries that their wheels bring, beside them
PYTHON, LIBRARIES = PurePosixPath("/python"), PurePosixPath("/packages")

TEMPORARY = "/tmp"  # noqa: S108 - the sandbox's own, empty

PROBE = """
import ctypes, importlib, json, sys
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
found = []
@ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_void_p * 2), ctypes.c_size_t, ctypes.c_void_p)
def each(info, size, data):
    found.append(ctypes.string_at(info.contents[1]).decode())
    return 0
ctypes.CDLL(None).dl_iterate_phdr(each, None)
print(json.dumps([name for name in found if name.startswith("/")]))
"""
"""Prints the shared objects of a Python that has imported what the zygote imports, by the names they were sought."""


def interpreter() -> Path:
    """The Python that runs inside: this one, outside of any virtual environment."""
    return Path(getattr(sys, "_base_executable", sys.executable)).resolve()


def package_folders() -> list[Path]:
    """NumPy's and Pillow's folders, and those of the libraries in their wheels."""
    folders = []
    for name in PACKAGES:
        found = importlib.util.find_spec(name)
        assert found is not None and found.submodule_search_locations, name
        folders.append(Path(next(iter(found.submodule_search_locations))).resolve())
    beside = {folder.parent / name for folder in folders for name in BUNDLED}
    return folders + sorted(folder for folder in beside if folder.is_dir())


@functools.cache
def tree() -> tuple[tuple[Path, PurePosixPath], ...]:
    """Every file and folder bound into the sandbox: where it lies, and its name inside."""
    standard, home = Path(sysconfig.get_path("stdlib")).resolve(), Path(sys.base_prefix).resolve()
    inside = PYTHON / sys.platlibdir / standard.name
    packages = package_folders()
    bound = [
        (interpreter(), PYTHON / "bin" / "python3"),
        (standard, inside),
        *((folder, LIBRARIES / folder.name) for folder in packages),
        *((HERE / name, LIBRARIES / "pipelines" / "sandbox" / name) for name in ("wire.py", "guest.py", "zygote.py")),
    ]
    for name in _loaded(packages):
        real = name.resolve()
        if not any(real.is_relative_to(folder) for folder in (standard, *packages)):
            moves = home != Path("/usr") and real.is_relative_to(home)
            bound.append((real, PYTHON / "libraries" / name.name if moves else PurePosixPath(name)))
    return tuple(bound)


def _loaded(packages: list[Path]) -> list[Path]:
    environment = {"PYTHONPATH": os.pathsep.join({str(folder.parent) for folder in packages}), **plain()}
    if "LD_LIBRARY_PATH" in os.environ:  # some Pythons find their own library by it
        environment["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
    command = [str(interpreter()), "-S", "-c", PROBE, json.dumps(guest.PRELOAD)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return [Path(name) for name in json.loads(done.stdout)]


def plain() -> dict[str, str]:
    """The environment inside, but for what names a place: hashes in the same order in every run, one thread, and words
    that are out when they are printed, so that a program that is stopped keeps them."""
    return {
        "PYTHONHASHSEED": "0",
        "PYTHONUTF8": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }


def arguments(filter_file: int, control: int, rules: int, privileged: bool) -> list[str]:
    """bubblewrap's arguments, the zygote's command included; the numbers are those of inherited files.

    An ordinary user gets a user namespace. Root needs none: each call becomes another user by itself (`zygote.py`),
    which also keeps the processes inside from being root's own outside.
    """
    environment = {
        **plain(),
        "HOME": TEMPORARY,
        "PYTHONHOME": str(PYTHON),
        "PYTHONPATH": str(LIBRARIES),
        "LD_LIBRARY_PATH": ":".join(dict.fromkeys(str(place.parent) for _, place in tree() if ".so" in place.name)),
    }
    hidden = PYTHON / sys.platlibdir / Path(sysconfig.get_path("stdlib")).name / "site-packages"
    given = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    if privileged:
        given += ["--cap-drop", "ALL"]
        for capability in ("SYS_ADMIN", "SETUID", "SETGID", "KILL"):
            given += ["--cap-add", f"CAP_{capability}"]
    else:
        given += ["--unshare-user", "--uid", "65534", "--gid", "65534", "--cap-add", "CAP_SYS_ADMIN"]
    given += ["--die-with-parent", "--new-session", "--hostname", "sandbox", "--clearenv"]
    for name, value in environment.items():
        given += ["--setenv", name, value]
    for folder in sorted({parent for _, place in tree() for parent in place.parents} | {PurePosixPath(TEMPORARY)}):
        given += ["--perms", "0755", "--dir", str(folder)]  # bubblewrap would make them for their owner alone
    for source, place in tree():
        given += ["--ro-bind", str(source), str(place)]
    if (Path(sysconfig.get_path("stdlib")) / "site-packages").is_dir():
        given += ["--tmpfs", str(hidden), "--remount-ro", str(hidden)]
    given += ["--remount-ro", "/", "--seccomp", str(filter_file)]
    python = [str(PYTHON / "bin" / "python3"), "-S", "-s", "-P", "-m", "pipelines.sandbox.zygote"]
    return [*given, "--chdir", "/", "--", *python, str(control), str(rules)]
