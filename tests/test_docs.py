"""The pages name files that are there, and the map of the architecture has every folder."""

import re
from pathlib import Path

import pytest
from test_layering import FLOOR

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(path for path in ROOT.rglob("*.md") if ".venv" not in path.parts)
MAP = ROOT / "docs" / "architecture.md"


def missing(page: Path) -> set[str]:
    """The paths in a page's code and links that are neither in the checkout nor examples."""
    text = page.read_text(encoding="utf-8")
    folders = "CONTRIBUTING|docs|frame_models|tests|tools|video_models|yt8m"
    named = set(re.findall(rf"`((?:{folders})/[\w./]*)`", text))
    named = {path for path in named if "NAME" not in path}
    linked = {link for link in re.findall(r"\]\(([\w./]+)(?:#[\w-]+)?\)", text)}
    return {path for path in named if not (ROOT / path).exists()} | {
        link for link in linked if not (page.parent / link).exists()
    }


def test_the_pages_are_found():
    names = {page.relative_to(ROOT).as_posix() for page in PAGES}
    assert {"README.md", "CONTRIBUTING.md", "docs/architecture.md", "CHANGELOG.md"} <= names


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_names_files_that_are_there(page):
    assert missing(page) == set()


def test_a_file_that_is_not_there_is_seen(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("`yt8m/nothing.py`, `yt8m/train.py`, `yt8m/NAME.py`, [here](gone.md#part)")
    assert missing(page) == {"yt8m/nothing.py", "gone.md"}


def test_the_map_has_every_folder_and_the_floors_every_room():
    text = MAP.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w/]+)/` \|", text, re.MULTILINE)
    folders = {path.parent.name for path in (ROOT / "yt8m").glob("*/__init__.py")}
    assert folders == {row.removeprefix("yt8m/") for row in rows if row.count("/") == 1}
    diagram = text[text.index("```mermaid") :].partition("\n```\n")[0]
    for room in FLOOR:
        assert re.search(rf"\b{room}\b", diagram), room
