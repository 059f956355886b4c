"""The jobs on genuine YouTube-8M and AudioSet records, where they are at hand."""

import json

import pytest
from job_runner import measure, succeed
from paths import SHARED

DATA = SHARED / "data"
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not DATA.is_dir(), reason="the real shards are not beside the checkout"),
]


@pytest.mark.slow
def test_youtube8m_from_training_to_a_scored_submission(tmp_path):
    """The README's recipe, made short: one member, half as wide, one epoch at twice the rate."""
    validate = DATA / "yt8m_video" / "validate" / "*.tfrecord"
    succeed(
        "yt8m.train",
        train_dir=tmp_path / "run",
        train_data_pattern=DATA / "yt8m_video" / "train" / "*.tfrecord",
        eval_data_pattern=validate,
        model="mlp(hidden=2048, blocks=0, head=logistic(prior=0.003, kernel_scale=0.05))",
        normalize="rms",
        loss="cross_entropy(label_smoothing=0.006)",
        num_epochs=1,
        batch_size=256,
        base_learning_rate=0.002,
        learning_rate_decay=0.5,
        learning_rate_decay_examples=11776,
        clip_gradient_norm=0,
    )
    evaluated = measure("yt8m.eval", train_dir=tmp_path / "run", eval_data_pattern=validate)
    assert evaluated["num_examples"] == 2258
    assert evaluated["gap"] >= 0.63
    submission = tmp_path / "submission.csv"
    succeed(
        "yt8m.inference",
        train_dir=tmp_path / "run",
        input_data_pattern=validate,
        output_file=submission,
    )
    scored = measure("yt8m.score", submission_file=submission, eval_data_pattern=validate)
    for metric in ("gap", "hit_at_1", "perr", "map"):
        assert scored[metric] == pytest.approx(evaluated[metric], abs=1e-4)


def test_audioset_frames(tmp_path):
    succeed(
        "yt8m.train",
        train_dir=tmp_path,
        train_data_pattern=DATA / "audioset_frame" / "bal_train0[0-3].tfrecord",
        eval_data_pattern=DATA / "audioset_frame" / "bal_train09.tfrecord",
        model="average(head=moe(mixtures=2))",
        max_steps=30,
        batch_size=256,
    )
    config = json.loads((tmp_path / "run.json").read_text())
    assert config["num_classes"] == 527
    assert config["schema"]["features"] == [
        {"name": "audio_embedding", "size": 128, "dtype": "uint8", "key": "audio_embedding"}
    ]
    results = json.loads((tmp_path / "eval" / "step-000000030.json").read_text())
    assert results["num_examples"] == 1100
    assert 0.05 < results["gap"] < 1


def test_a_youtube8m_video_of_frames(tmp_path):
    pattern = DATA / "yt8m_frame" / "SjJ3.tfrecord"
    flags = {"train_dir": tmp_path / "run", "model": "average", "batch_size": 1, "num_epochs": 1}
    succeed("yt8m.train", train_data_pattern=pattern, **flags)
    submission = tmp_path / "submission.csv"
    succeed(
        "yt8m.inference",
        train_dir=tmp_path / "run",
        input_data_pattern=pattern,
        output_file=submission,
    )
    assert submission.read_text().splitlines()[1].startswith("SjJ3,11 ")


@pytest.mark.slow
def test_ten_real_clips_are_learnt(tmp_path):
    """Of two classes, some of one camera; one frame of each is seen at a time."""
    lines = (DATA / "clips" / "manifest.csv").read_text().splitlines()[1:]
    of_class = [[line for line in lines if line.startswith(f"{n}/")] for n in ("fight", "noFight")]
    rows = [f"{DATA / 'clips'}/{line}" for found in of_class for line in found[:5]]
    manifest = tmp_path / "ten.csv"
    manifest.write_text("\n".join(["path,label,group", *rows, ""]))
    succeed(
        "yt8m.train",
        train_dir=tmp_path / "run",
        train_data_pattern=manifest,
        model="cnn_m(width=0.25)",
        clips="clips(frames=1, sampling='uniform', resize=72, crop=64, augment=())",
        loss="softmax(scores='log_probabilities')",
        batch_size=5,
        num_epochs=25,
        base_learning_rate=0.0005,
    )
    results = measure(
        "yt8m.eval", train_dir=tmp_path / "run", eval_data_pattern=manifest, num_clips=4
    )
    assert results["num_examples"] == 10
    assert results["video_hit_at_1"] == 1
