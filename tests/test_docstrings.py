"""Values that travel through the code say what each of their fields is."""

import ast
import re

import pytest
from paths import ROOT

PACKAGES = ("yt8m", "frame_models", "video_models")


def dataclasses_of(source: str) -> list[ast.ClassDef]:
    """The public dataclasses of a module."""
    return [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ClassDef)
        and not node.name.startswith("_")
        and any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list)
    ]


def undocumented(cls: ast.ClassDef) -> list[str]:
    """The public fields that the class's docstring does not explain."""
    text = ast.get_docstring(cls) or ""
    fields = [
        node.target.id
        for node in cls.body
        if isinstance(node, ast.AnnAssign) and "ClassVar" not in ast.unparse(node.annotation)
    ]
    return [
        name
        for name in fields
        if not name.startswith("_") and not re.search(rf"^ +.*\b{name}\b.*:", text, re.MULTILINE)
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_field_of_a_dataclass_is_explained(package):
    missing = {
        f"{path.relative_to(ROOT)}: {cls.name}": names
        for path in sorted((ROOT / package).rglob("*.py"))
        for cls in dataclasses_of(path.read_text(encoding="utf-8"))
        if (names := undocumented(cls))
    }
    assert not missing


def test_a_field_without_a_word_is_seen():
    docstring = '"""It.\n\n    Attributes:\n        x: known.\n    """'
    source = f"@dataclass\nclass A:\n    {docstring}\n    x: int\n    y: int"
    assert undocumented(dataclasses_of(source)[0]) == ["y"]
