"""What the tests of an extraction share."""

import pytest
from small_extractor import write_videos


@pytest.fixture(scope="session")
def videos(tmp_path_factory):
    """The folder of small videos, which no test changes."""
    folder = tmp_path_factory.mktemp("videos")
    write_videos(folder)
    return folder
