"""Settings of raw video: what specs say, what is refused, and what follows from them."""

import pytest

from yt8m.data.video.clip_specs import Clips, Flow


def test_specs_set_what_they_name_and_print_everything():
    clips = Clips.from_spec("clips(frames=8, crop=(64, 80), augment=('flip',))")
    assert clips == Clips(frames=8, crop=(64, 80), augment=("flip",))
    assert Clips.from_spec(str(clips)) == clips
    flow = Flow.from_spec("flow(length=10, stacking='trajectory', bound=15)")
    assert flow == Flow(length=10, stacking="trajectory", bound=15.0)
    assert Flow.from_spec(str(flow)) == flow


@pytest.mark.parametrize(
    ("settings", "text", "message"),
    [
        (Clips, "clip", "takes clips"),
        (Clips, "clips(frame=3)", "Did you mean 'frames'"),
        (Clips, "clips(frames=0)", "frames must be positive"),
        (Clips, "clips(frames='8')", "frames must be int"),
        (Clips, "clips(crop=(1, 2, 3))", r"Received: crop=\(1, 2, 3\)"),
        (Clips, "clips(crop=129)", "no larger than resize"),
        (Clips, "clips(resize=(90, 160), crop=(91, 20))", "no larger than resize"),
        (Clips, "clips(sampling='random')", "dense, uniform, keyframes, shots"),
        (Clips, "clips(short='pad')", "loop, repeat, mask"),
        (Clips, "clips(augment=('turn',))", "crop, scale, flip"),
        (Clips, "clips(frames_per_second=-1)", "frames_per_second must be from 0 to 1000"),
        (Clips, "clips(sampling='shots', frames_per_second=5)", "dense and uniform sampling only"),
        (Clips, "clips(sampling='uniform', stride=2)", "stride is of dense sampling"),
        (Flow, "flow(method='raft')", "dis, tvl1, farneback"),
        (Flow, "flow(bound=0)", "bound must be positive"),
        (Flow, "flow(bound=1e999)", "bound must be float"),
        (Flow, "flow(channels=3, length=2)", "3 with length=1"),
        (Flow, "flow(bidirectional=True)", "even length"),
    ],
)
def test_wrong_settings_are_refused(settings, text, message):
    with pytest.raises(ValueError, match=message):
        settings.from_spec(text)


@pytest.mark.parametrize(
    ("resize", "size", "expected"),
    [
        (128, (240, 320), (128, 171)),
        (128, (320, 240), (171, 128)),
        ((90, 50), (240, 320), (90, 50)),
    ],
)
def test_frames_are_resized_by_their_shorter_side(resize, size, expected):
    assert Clips(resize=resize, crop=50).frame_size(*size) == expected


def test_flow_counts_its_channels():
    assert Flow().num_channels == 2
    assert Flow(length=10).num_channels == 20
    assert Flow(channels=3).num_channels == 3
