"""Groups of videos dealt out to splits."""

import random
from collections import Counter

from yt8m.data.video.sources import grouped_splits
from yt8m.data.video.sources.manifest import Video

TWO = {"train": 0.7, "validate": 0.3}


def videos_of(groups: dict[str, tuple[str, ...]], size: int = 1) -> list[Video]:
    """Groups of `size` videos each, with their labels."""
    return [
        Video(f"{group}-{place}", f"/{group}-{place}", labels, group, "")
        for group, labels in groups.items()
        for place in range(size)
    ]


def counts(videos: list[Video], fractions: dict[str, float], seed: int = 0) -> dict[str, Counter]:
    """How many videos of each class each split gets."""
    splits = grouped_splits.deal(videos, fractions, seed)
    assert set(splits) == {video.group for video in videos}
    found: dict[str, Counter] = {split: Counter() for split in fractions}
    for video in videos:
        found[splits[video.group]].update(video.labels)
    return found


def test_classes_are_in_every_split_in_their_parts():
    groups = {f"{label}{i}": (label,) for label in "abcde" for i in range(10)}
    for seed in range(3):
        found = counts(videos_of(groups, size=3), TWO, seed)
        assert found == {"train": dict.fromkeys("abcde", 21), "validate": dict.fromkeys("abcde", 9)}


def test_a_small_split_gets_every_class_for_which_there_are_groups():
    parts = {"train": 0.9, "validate": 0.05, "test": 0.05}
    found = counts(videos_of({f"{label}{i}": (label,) for label in "abc" for i in range(3)}), parts)
    assert found == {split: Counter("abc") for split in parts}


def test_no_split_is_empty_where_there_is_a_group_for_each():
    parts = {"train": 0.9, "validate": 0.05, "test": 0.05}
    found = counts(videos_of({"a": ("a",), "b": ("b",), "c": ("c",), "d": ("c",)}), parts)
    assert all(found.values())


def test_videos_of_several_classes_in_groups_of_several_sizes():
    random.seed(0)
    videos = []
    for number in range(120):
        labels = tuple(sorted(random.sample("abcdefgh", random.randint(1, 3))))
        videos += videos_of({f"g{number}": labels}, size=random.randint(1, 5))
    found = counts(videos, TWO)
    whole = found["train"] + found["validate"]
    assert all(0.6 <= found["train"][label] / whole[label] <= 0.8 for label in "abcdefgh")


def test_a_class_of_one_group_is_missed_and_said():
    videos = videos_of({"a1": ("a",), "b1": ("b",), "b2": ("b",), "c": ("c",)}, size=2)
    splits = grouped_splits.deal(videos, TWO, 0)
    sentences = grouped_splits.lacking(videos, splits)
    lacked = {split: {"a", "c"} - {g[0] for g in splits if splits[g] == split} for split in TWO}
    assert {splits["b1"], splits["b2"]} == set(TWO)
    named = sorted(split for split in TWO if lacked[split])
    for sentence, split in zip(sentences, named, strict=True):
        assert f"{split!r} has no video of {len(lacked[split])} class(es)" in sentence
        assert sentence.endswith(": " + ", ".join(sorted(lacked[split])))
