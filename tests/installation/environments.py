"""Environments of their own, made and filled by uv when it is on the PATH and by pip when it is not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
UV = shutil.which("uv")


def run(*command, cwd, status=0, timeout=600, **variables):
    """Run a command apart from this environment; the status it must end with is checked unless it is None."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "VIRTUAL_"))}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**clean, "COLUMNS": "300", **variables},
        capture_output=True,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert status in {None, done.returncode}, done.stdout + done.stderr
    return done


@dataclass(frozen=True)
class Environment:
    """A virtual environment in a folder."""

    folder: Path

    @classmethod
    def empty(cls, folder):
        """Make one without packages."""
        command = (UV, "venv", "--python", sys.executable) if UV else (sys.executable, "-m", "venv")
        run(*command, folder, cwd=ROOT)
        return cls(folder)

    @property
    def packages(self):
        """Where its packages are."""
        return Path(self._place("purelib"))

    @property
    def python(self):
        """Its interpreter."""
        return self.command("python")

    def command(self, name):
        """Return the path of a command in it."""
        return Path(self._place("scripts")) / (f"{name}.exe" if os.name == "nt" else name)

    def install(self, *what, constraints=None):
        """Install packages."""
        limits = () if constraints is None else ("--constraint", constraints)
        pip = (UV, "pip", "install", "--python", self.python) if UV else (self.python, "-m", "pip", "install")
        run(*pip, "--quiet", *limits, *what, cwd=ROOT)

    def versions(self):
        """Return the version of each package that is installed, by its canonical name."""
        found = distributions(path=[str(self.packages)])
        return {canonicalize_name(one.metadata["Name"]): one.version for one in found}

    def remove(self, name):
        """Uninstall a package."""
        pip = (UV, "pip", "uninstall", "--python", self.python) if UV else (self.python, "-m", "pip", "uninstall", "-y")
        run(*pip, name, cwd=ROOT)

    def _place(self, name):
        return sysconfig.get_path(name, "venv", vars={"base": str(self.folder)})
