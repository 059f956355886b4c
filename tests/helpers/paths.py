"""Where things stand: the checkout, its goldens, and data beside it that a clone does not hold."""

from pathlib import Path

HELPERS = Path(__file__).resolve().parent
ROOT = HELPERS.parents[1]
GOLDEN = ROOT / "tests" / "golden"
SHARED = ROOT.parent / "shared"


def find_golden(name: str) -> Path | None:
    """The file of a golden, of the repository or beside it; None where it is not at hand."""
    paths = (folder / name for folder in (GOLDEN, SHARED / "goldens"))
    return next((path for path in paths if path.exists()), None)
