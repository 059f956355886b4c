"""Lines of a manifest with times: which frames and fields they are, in files of uneven rates."""

import os

import numpy as np
import pytest
import video_files
from video_files import numbered, numbers_of

from yt8m.base.errors import UserError
from yt8m.data.video import clips as clips_lib
from yt8m.data.video.clip_schema import ClipSchema
from yt8m.data.video.clip_specs import Clips, Flow
from yt8m.data.video.clips import FileFrames, Recipe
from yt8m.data.video.frames import decoding
from yt8m.data.video.frames import flow as flow_lib
from yt8m.data.video.frames.decoding import VideoError
from yt8m.data.video.sources import listing, pattern
from yt8m.data.video.spans import Span
from yt8m.data.video.video_log import VideoLog
from yt8m.inputs import clips as clip_input

SIZE = (48, 64)
# Ten frames of a tenth of a second each, but for the fifth, which is shown for a whole one.
TIMES = [0, 1, 2, 3, 4, 14, 15, 16, 17, 18]


@pytest.fixture(scope="module")
def uneven(tmp_path_factory):
    """A file with a variable frame rate, of 1.9 seconds; its keyframes are 0, 4 and 8."""
    path = tmp_path_factory.mktemp("uneven") / "a.mkv"
    lengths = [*np.diff(TIMES).tolist(), 1]
    return video_files.write(
        path, numbered(10), rate=10, keyframes=4, times=TIMES, durations=lengths
    )


def manifest(folder, *lines: str) -> str:
    path = folder / "clips.csv"
    path.write_text("\n".join(["path,label,group,start,end", *lines, ""]))
    return str(path)


def items(path, sampling="dense", log=None):
    listed = listing.read(pattern.parse(path), log or VideoLog())
    clips = Clips(frames=4, sampling=sampling, resize=SIZE, crop=SIZE)
    schema = ClipSchema(("pixels",), clips, None, listed.classes)
    return listing.items(listed, schema, "", 0, log or VideoLog())


def shown(item) -> list[int]:
    return numbers_of(item.frames.read(np.arange(item.about.num_frames), SIZE))


def test_a_part_has_the_frames_that_are_shown_in_it(uneven, tmp_path):
    spans = ["0.2,0.41", "0.9,1.45", "1.5,", ",0.2", "1.75,99"]
    found = items(manifest(tmp_path, *(f"{uneven},x,,{span}" for span in spans)))
    assert [shown(item) for item in found] == [
        [2, 3, 4], [4, 5], [6, 7, 8, 9], [0, 1], [8, 9],
    ]  # fmt: skip
    assert [item.id.removeprefix(uneven) for item in found] == [
        "#t=0.2,0.41", "#t=0.9,1.45", "#t=1.5", "#t=,0.2", "#t=1.75,99",
    ]  # fmt: skip


def test_the_features_of_a_part_are_of_the_same_frames(uneven):
    def seen(*span, every=0.1):
        return numbers_of(decoding.frames_at(uneven, every, span=Span(*span)))

    assert seen(0.2, 0.41) == [2, 3, 4]
    assert seen(0.9, 1.45) == [4, 4, 4, 4, 4, 5]
    assert seen(1.5) == [6, 7, 8, 9]
    assert seen(1.75, 99, every=0.05) == [8, 9, 9]
    assert seen(None, 0.2) == [0, 1]
    with pytest.raises(VideoError, match=r"ended before second 1.95: it lasts 1.90 seconds"):
        seen(1.95, 3)


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        ("dense", [4, 5, 6, 7]),
        ("uniform", [3, 5, 6, 8]),
        ("keyframes", [4, 8, 4, 8]),
        ("shots", [3, 4, 5, 7]),
    ],
)
def test_every_sampling_stays_within_the_part(uneven, tmp_path, sampling, expected, monkeypatch):
    look = decoding.probe_and_view
    if sampling == "shots":
        shots = (0, 2, 4, 5, 6, 9)
        monkeypatch.setattr(decoding, "probe_and_view", lambda path, view, size: (
            look(path, lambda frames: shots, size)
        ))  # fmt: skip
    (item,) = items(manifest(tmp_path, f"{uneven},x,,0.3,1.79"), sampling)
    assert shown(item) == [3, 4, 5, 6, 7, 8]
    clips = Clips(frames=4, sampling=sampling, resize=SIZE, crop=SIZE, augment=())
    made = clips_lib.evaluation_clips(
        item.frames, item.about, Recipe(("pixels",), clips), range(1), 1, 1
    )
    assert numbers_of(made["pixels"][0]) == expected
    for seed in range(9):
        made = clips_lib.training_clip(item.frames, item.about, Recipe(("pixels",), clips), (seed,))
        assert set(numbers_of(made["pixels"][0])) <= {3, 4, 5, 6, 7, 8}


def test_without_a_keyframe_inside_the_first_frame_takes_its_place(uneven, tmp_path):
    (item,) = items(manifest(tmp_path, f"{uneven},x,,1.4,1.6"), "keyframes")
    assert item.about.anchors == (0,) and shown(item) == [5, 6]


def test_the_flow_of_a_part_is_that_of_a_file_of_its_frames(uneven, tmp_path):
    flow = Flow(length=4, method="farneback", bidirectional=True)
    indices = np.arange(5)
    part = FileFrames(uneven, (3, 8)).flow_source(indices, flow, SIZE, str(tmp_path))
    frames = decoding.read_frames(uneven, range(3, 8), SIZE)
    alone = flow_lib.FrameFlow(lambda i: frames[i], 5, indices, flow)
    assert (part.num_frames, part.size) == (5, SIZE)
    expected = flow_lib.stacks(alone, indices, flow)
    np.testing.assert_array_equal(flow_lib.stacks(part, indices, flow), expected)
    with pytest.raises(VideoError, match="before frame 10: it has 10"):
        FileFrames(uneven, (3, 11)).flow_source(np.array([0]), flow, SIZE, str(tmp_path))


def test_flow_is_computed_once_for_all_parts_of_a_file(uneven, tmp_path):
    path = manifest(tmp_path, f"{uneven},x,,0,0.3", f"{uneven},x,,1.5,1.7")
    flow = Flow(length=2, method="farneback")
    schema = ClipSchema(("flow",), Clips(frames=2, resize=SIZE, crop=SIZE), flow, ("x",))
    source = clip_input.ClipInput(schema, 1, clip_input.ClipSettings(num_workers=0))
    reader = source.open(path)
    made = [batch["flow"] for batch in reader.sequential().as_numpy_iterator()]
    assert [part.shape for part in made] == [(1, 2, *SIZE, 4)] * 2
    caches = [name for _, _, names in os.walk(f"{path}.cache") for name in names]
    assert sum(name.endswith(".flow") for name in caches) == 1


def test_a_part_behind_the_end_is_named_and_left_out(uneven, tmp_path, caplog):
    path = manifest(tmp_path, f"{uneven},x,,1.9,3", f"{uneven},x,,0,1")
    log = VideoLog()
    (item,) = items(path, log=log)
    assert item.id.endswith("#t=0,1")
    assert list(log.lost) == [f"{uneven}#t=1.9,3"]
    assert "a.mkv#t=1.9,3 is left out: its file has ended before second 1.9" in caplog.text
    with pytest.raises(UserError, match="on_corrupt_shard=fail"):
        items(path, log=VideoLog(on_corrupt_shard="fail"))
    with pytest.raises(UserError, match="None of the 1 videos can be read"):
        items(manifest(tmp_path, f"{uneven},x,,5,6"))


def test_overlapping_parts_lend_each_other_their_labels(uneven, tmp_path):
    spans = ["walk,,0,1", "eat,,0.4,0.5", "run;eat,,0.9,1.9", "sit,,1,1.2"]
    found = items(manifest(tmp_path, *(f"{uneven},{span}" for span in spans)))
    classes = ("eat", "run", "sit", "walk")
    labels = [[classes[number] for number in item.labels] for item in found]
    # The middles are 0.5, which is behind the second; 0.45; 1.4; and 1.1.
    assert labels == [["walk"], ["eat", "walk"], ["eat", "run"], ["eat", "run", "sit"]]


def test_a_file_is_whole_or_in_parts_and_on_one_side(uneven, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    whole = manifest(tmp_path / "a", f"{uneven},x,,,")
    part = manifest(tmp_path / "b", f"{uneven},x,,0,1")
    other = manifest(tmp_path, f"{uneven},x,,1,2")
    with pytest.raises(UserError, match="named as a whole and in parts"):
        listing.read(pattern.parse(f"{whole},{part}"), VideoLog())
    with pytest.raises(UserError, match="is named twice"):
        listing.read(pattern.parse(f"{part},{part}"), VideoLog())
    one, two = (listing.read(pattern.parse(path), VideoLog()) for path in (part, other))
    assert len(listing.read(pattern.parse(f"{part},{other}"), VideoLog()).videos) == 2
    with pytest.raises(UserError, match="is in the training data and in the data to evaluate on"):
        one.check_apart(two)
