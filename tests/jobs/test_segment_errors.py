"""Bad input to the jobs over segments: one sentence each, nothing written."""

from job_runner import NUM_CLASSES, expect_error, succeed


def test_flags_that_do_nothing_are_refused(run_dir, shards, segments_file, label_ids, tmp_path):
    pattern = shards / "segment" / "validate*.tfrecord"
    flags = {"train_dir": run_dir, "eval_data_pattern": pattern}
    message = "--top_k has no meaning with --segment_labels"
    expect_error("yt8m.eval", message, segment_labels=True, top_k=20, **flags)
    message = "--segment_label_ids_file has no meaning without --segment_labels"
    expect_error("yt8m.eval", message, segment_label_ids_file=label_ids, **flags)
    flags = {"train_dir": run_dir, "input_data_pattern": pattern, "output_file": tmp_path / "o"}
    expect_error("yt8m.inference", message, segment_label_ids_file=label_ids, **flags)
    message = "--segment_max_pred has no meaning without --segment_labels"
    expect_error("yt8m.inference", message, segment_max_pred=9, **flags)
    message = "--top_k has no meaning with --segment_labels"
    expect_error("yt8m.inference", message, segment_labels=True, top_k=1000, **flags)
    flags = {"submission_file": segments_file, "eval_data_pattern": pattern}
    expect_error("yt8m.score", "--top_k has no meaning for a file of segments", top_k=5, **flags)


def test_a_file_that_is_not_what_the_flag_says(shards, segments_file, label_ids, tmp_path):
    flags = {"eval_data_pattern": shards / "segment" / "validate*.tfrecord"}
    expect_error(
        "yt8m.score",
        "does not fit --nosegment_labels: its first line must be VideoId,LabelConfidencePairs",
        submission_file=segments_file,
        segment_labels=False,
        **flags,
    )
    (tmp_path / "videos.csv").write_text("VideoId,LabelConfidencePairs\na,1 0.5\n")
    flags["submission_file"] = tmp_path / "videos.csv"
    message = "does not fit --segment_labels: its first line must be Class,Segments"
    expect_error("yt8m.score", message, segment_labels=True, **flags)
    message = "--segment_label_ids_file has no meaning for a file of videos"
    expect_error("yt8m.score", message, segment_label_ids_file=label_ids, **flags)
    flags["submission_file"] = tmp_path / "none.csv"
    expect_error("yt8m.score", "Cannot read", "none.csv", **flags)


def test_records_without_ratings(run_dir, shards, segments_file):
    pattern = shards / "frame" / "validate*.tfrecord"
    flags = {"eval_data_pattern": pattern, "segment_labels": True}
    expect_error("yt8m.eval", "segment_labels, segment_start_times", train_dir=run_dir, **flags)
    expect_error("yt8m.score", "scored on records with", submission_file=segments_file, **flags)


def test_a_run_of_video_level_records(shards, tmp_path):
    pattern = shards / "video" / "train*.tfrecord"
    succeed(
        "yt8m.train",
        train_dir=tmp_path / "run",
        train_data_pattern=pattern,
        model="logistic",
        num_classes=NUM_CLASSES,
        batch_size=32,
        max_steps=1,
    )
    flags = {"train_dir": tmp_path / "run", "segment_labels": True}
    output = {"output_file": tmp_path / "out.csv"}
    message = "--segment_labels needs frame-level records"
    expect_error("yt8m.inference", message, input_data_pattern=pattern, **output, **flags)
    pattern = shards / "segment" / "validate*.tfrecord"
    expect_error("yt8m.inference", "do not fit", input_data_pattern=pattern, **output, **flags)
    expect_error("yt8m.eval", "do not fit", eval_data_pattern=pattern, **flags)
    assert not (tmp_path / "out.csv").exists()


def test_bad_lists_of_classes(run_dir, shards, segments_file, tmp_path):
    """One sentence each is tested with the reader of the list; here that all jobs use it."""
    path = tmp_path / "ids.csv"
    path.write_text("Index\n3\n12\n")
    flags = {"segment_label_ids_file": path, "segment_labels": True}
    pattern = shards / "segment" / "validate*.tfrecord"
    message = "line 3 names class 12, but the vocabulary has 12 classes"
    expect_error("yt8m.eval", message, train_dir=run_dir, eval_data_pattern=pattern, **flags)
    expect_error(
        "yt8m.inference",
        message,
        train_dir=run_dir,
        input_data_pattern=pattern,
        output_file=tmp_path / "out.csv",
        **flags,
    )
    assert not (tmp_path / "out.csv").exists()
    expect_error(
        "yt8m.score",
        message,
        submission_file=segments_file,
        eval_data_pattern=pattern,
        num_classes=NUM_CLASSES,
        **flags,
    )


def test_more_segments_than_memory(run_dir, shards, tmp_path):
    expect_error(
        "yt8m.inference",
        "Lower --segment_max_pred",
        train_dir=run_dir,
        input_data_pattern=shards / "segment" / "validate*.tfrecord",
        output_file=tmp_path / "out.csv",
        segment_labels=True,
        segment_max_pred=10**13,
    )
