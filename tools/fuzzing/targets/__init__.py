"""What is fuzzed: name -> target. A file holds the targets of one kind of input."""

from tools.fuzzing.case import Target
from tools.fuzzing.targets import (
    archives,
    features,
    lists,
    run_folders,
    shards,
    specs,
    tables,
    videos,
)

TARGETS: dict[str, Target] = {
    **shards.TARGETS,
    **lists.TARGETS,
    **specs.TARGETS,
    **run_folders.TARGETS,
    **archives.TARGETS,
    **tables.TARGETS,
    **features.TARGETS,
    **videos.TARGETS,
}
