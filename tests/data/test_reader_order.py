"""Every record once an epoch, in an order that the seed and the epoch's number fix."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from shard_files import ids, make_reader, write_video_shards

SIZES = [40, 25, 1, 34]
ALL = [f"{shard}-{record}" for shard, size in enumerate(SIZES) for record in range(size)]


@pytest.fixture(scope="module")
def paths(tmp_path_factory) -> list[str]:
    """Four shards of 100 videos together."""
    return write_video_shards(tmp_path_factory.mktemp("shards"), SIZES)


@pytest.fixture
def global_seed():
    """Forgets the program's seed after the test."""
    yield
    tf.random.set_seed(None)


def test_sequential_order(paths):
    reader = make_reader(paths, batch_size=7)
    assert ids(reader.sequential()) == ALL
    assert ids(reader.sequential()) == ALL
    assert reader.log.num_records == 200


@pytest.mark.parametrize("batch_size", [1, 7, 100, 300])
def test_every_record_once(batch_size, paths):
    reader = make_reader(paths, batch_size=batch_size)
    shuffled = ids(reader.shuffled(seed=1))
    assert shuffled != ALL
    assert sorted(shuffled) == sorted(ALL)


def test_more_shards_than_are_read_at_once(tmp_path):
    many = write_video_shards(tmp_path, [2] * 40)
    reader = make_reader(many)
    assert sorted(ids(reader.shuffled(seed=1))) == sorted(ids(reader.sequential()))
    assert reader.log.num_records == 160


def test_the_seed_and_the_epoch_fix_the_order(paths):
    def order(seed, epoch):
        return tuple(ids(make_reader(paths).shuffled(seed, epoch)))

    keys = [(seed, epoch) for seed in (0, 1, -5, 2**40) for epoch in (0, 1)]
    orders = [order(*key) for key in keys]
    assert len(set(orders)) == len(keys)
    assert [order(*key) for key in keys[::3]] == orders[::3]


@pytest.mark.parametrize("seed", [0, 3])
@pytest.mark.parametrize("set_seed", [tf.random.set_seed, keras.utils.set_random_seed])
def test_the_seed_of_the_program_changes_nothing(seed, set_seed, paths, global_seed):
    orders = [ids(make_reader(paths).shuffled(seed, num_epochs=2))]
    for program_seed in (0, 1, 1):
        set_seed(program_seed)
        orders.append(ids(make_reader(paths).shuffled(seed, num_epochs=2)))
    assert all(order == orders[0] for order in orders)


def test_the_seed_of_the_program_is_left_as_it_was(paths, global_seed):
    tf.random.set_seed(5)
    expected = tf.random.uniform([3]).numpy()
    tf.random.set_seed(5)
    ids(make_reader(paths).shuffled(seed=0))
    np.testing.assert_array_equal(tf.random.uniform([3]).numpy(), expected)


def test_mixes_within_and_across_shards(paths):
    shuffled = ids(make_reader(paths).shuffled(seed=2))
    shards = [int(name.split("-")[0]) for name in shuffled]
    changes = np.count_nonzero(np.diff(shards))
    # Of 100 records of shards this long, two neighbours differ in 68 of 99 places on average.
    assert 50 <= changes <= 85
    for shard in (0, 1, 3):
        records = [int(name.split("-")[1]) for name in shuffled if name.startswith(f"{shard}-")]
        rising = np.mean(np.diff(records) > 0)
        assert 0.25 < rising < 0.75
    positions = [shuffled.index(name) for name in ALL]
    assert abs(np.corrcoef(positions, np.arange(100))[0, 1]) < 0.4


def test_the_first_shard_differs_between_epochs(tmp_path):
    paths = write_video_shards(tmp_path, [3] * 10)
    reader = make_reader(paths, shuffle_buffer=1)
    firsts = set(ids(reader.shuffled(seed=0, num_epochs=8))[::30])
    assert len(firsts) >= 3


def test_a_small_buffer_mixes_shards_only(paths):
    shuffled = ids(make_reader(paths, shuffle_buffer=1).shuffled(seed=0))
    for shard, size in enumerate(SIZES):
        mine = [name for name in shuffled if name.startswith(f"{shard}-")]
        assert mine == [f"{shard}-{record}" for record in range(size)]
    assert len({name.split("-")[0] for name in shuffled[:4]}) == 4


def test_a_buffer_bounds_how_early_a_record_may_come(tmp_path):
    paths = write_video_shards(tmp_path, [100])
    shuffled = ids(make_reader(paths, shuffle_buffer=10).shuffled(seed=0))
    records = np.array([int(name.split("-")[1]) for name in shuffled])
    assert (records - np.arange(100)).max() < 10
    assert len(set(records)) == 100


def rows(dataset: tf.data.Dataset) -> list[list[str]]:
    """The ids of each batch."""
    return [[name.decode() for name in batch["ids"]] for batch in dataset.as_numpy_iterator()]


@pytest.mark.parametrize("skip", [1, 14, 15])
def test_skipping_is_dropping_the_first_batches(skip, paths):
    reader = make_reader(paths, batch_size=7)
    whole = rows(reader.shuffled(seed=4, epoch=3))
    assert rows(reader.shuffled(seed=4, epoch=3, skip_batches=skip)) == whole[skip:]


def test_only_the_first_epoch_is_skipped(paths):
    reader = make_reader(paths, batch_size=7)
    first, second = (rows(reader.shuffled(seed=4, epoch=epoch)) for epoch in (1, 2))
    both = rows(reader.shuffled(seed=4, epoch=1, num_epochs=2, skip_batches=9))
    assert both == first[9:] + second


def test_epochs_follow_each_other(paths):
    reader = make_reader(paths, batch_size=7)
    three = rows(reader.shuffled(seed=4, epoch=5, num_epochs=3))
    assert three == sum((rows(reader.shuffled(seed=4, epoch=epoch)) for epoch in (5, 6, 7)), [])
    assert [len(batch) for batch in three] == ([7] * 14 + [2]) * 3


def test_endless_epochs(paths):
    reader = make_reader(paths, batch_size=10)
    endless = rows(reader.shuffled(seed=4, num_epochs=None, skip_batches=2).take(38))
    assert endless == rows(reader.shuffled(seed=4, num_epochs=4, skip_batches=2))


def test_no_epochs_give_no_records(paths):
    assert rows(make_reader(paths).shuffled(seed=4, num_epochs=0)) == []


@pytest.mark.parametrize("mode", ["sequential", "shuffled"])
def test_a_last_batch_that_is_not_full_is_dropped_where_asked(mode, paths):
    def read(drop_remainder):
        reader = make_reader(paths, batch_size=7, drop_remainder=drop_remainder)
        return rows(reader.sequential() if mode == "sequential" else reader.shuffled(seed=1))

    assert read(True) == read(False)[:-1]
    assert len(read(True)) == 14


def test_the_number_of_records_is_estimated(paths, tmp_path):
    assert make_reader(paths).estimate_num_examples() == pytest.approx(100, abs=3)
    (tmp_path / "empty").touch()
    with_empty = [str(tmp_path / "empty"), str(tmp_path / "missing"), *paths]
    assert make_reader(with_empty).estimate_num_examples() == pytest.approx(100, abs=3)
    assert make_reader([str(tmp_path / "empty")]).estimate_num_examples() >= 1


def test_the_buffer_fits_the_records_also_where_the_first_shard_is_damaged(paths, tmp_path):
    (tmp_path / "text").write_text("nothing here\n" * 9)
    size = make_reader(paths)._shuffle_buffer()
    assert make_reader([str(tmp_path / "text"), *paths])._shuffle_buffer() == size


def test_no_thread_tunes_what_is_read(paths):
    """Whoever frees an iterator would wait for that thread, for up to a minute each."""
    reader = make_reader(paths)
    for dataset in (reader.sequential(), reader.shuffled(0), reader.sequential().prefetch(1)):
        assert dataset.options().autotune.enabled is False
