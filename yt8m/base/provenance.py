"""Which code made something: for the record beside it."""

from __future__ import annotations

import os
import subprocess
import sys

import keras

# They decide the numbers.
_PACKAGES = ("yt8m", "keras", "tensorflow", "jax", "numpy")


def package_versions() -> dict[str, str]:
    """The versions of the packages that decide the numbers, of those that are in use."""
    loaded = (package for package in _PACKAGES if package in sys.modules)
    versions = {package: sys.modules[package].__version__ for package in loaded}
    return {"backend": keras.config.backend()} | versions


def git_commit() -> str:
    """The commit of the checkout that holds this code; empty if it is none."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    command = ["git", "-C", root, "rev-parse", "--show-toplevel", "HEAD"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = result.stdout.splitlines()
    return lines[1] if result.returncode == 0 and lines[0] == root else ""
