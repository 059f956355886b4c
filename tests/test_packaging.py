"""What a wheel of this project holds: every package with its types, neither tools nor tests."""

import configparser
import pkgutil
from pathlib import Path

import pytest

setuptools = pytest.importorskip("setuptools")

ROOT = Path(__file__).resolve().parents[1]
TOP = ("frame_models", "video_models", "yt8m")


@pytest.fixture(scope="module")
def settings() -> configparser.ConfigParser:
    """setup.cfg."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def test_every_folder_of_code_is_packaged_and_nothing_else(settings):
    include = settings["options.packages.find"]["include"].split()
    found = setuptools.find_packages(str(ROOT), include=include)
    folders = {path.parent for top in TOP for path in (ROOT / top).rglob("*.py")}
    assert sorted(found) == sorted(".".join(f.relative_to(ROOT).parts) for f in folders)


def test_types_are_packaged(settings):
    assert settings["options.package_data"]["*"].split() == ["py.typed"]
    assert all((ROOT / top / "py.typed").exists() for top in TOP)


def test_the_command_is_installed(settings):
    name, _, target = settings["options.entry_points"]["console_scripts"].strip().partition(" = ")
    assert name == "yt8m"
    assert callable(pkgutil.resolve_name(target))
