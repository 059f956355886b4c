"""Files of other programs become arrays; what is damaged or hostile is refused, nothing runs."""

import collections
import os
import pickle

import numpy as np
import pytest
from published_weights import blob, write_caffe, write_old_torch, write_torch

from yt8m.base.errors import UserError
from yt8m.conversion.caffe_layout import read_mean
from yt8m.conversion.weight_files import caffe_model, reading

RANDOM = np.random.default_rng(3)
KERNEL = RANDOM.normal(size=(4, 3, 2, 5, 5)).astype("f")
BIAS = RANDOM.normal(size=4).astype("f")
LAYERS = {"conv1a": [KERNEL, BIAS], "fc6": [RANDOM.normal(size=(6, 8)).astype("f"), BIAS]}
TENSORS = {"conv1.weight": KERNEL, "conv1.bias": BIAS, "fc.weight": LAYERS["fc6"][0].T}


def check(received, expected):
    assert received.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(np.squeeze(received[name]), np.squeeze(value))


@pytest.mark.parametrize("form", ["c3d", "old", "new"])
def test_blobs_of_caffe(tmp_path, form):
    layers = {k: [v[:, :, 0] if v.ndim == 5 else v for v in vs] for k, vs in LAYERS.items()}
    layers = LAYERS if form == "c3d" else layers
    path = write_caffe(tmp_path / "a.caffemodel", layers, form)
    check(
        reading.read(str(path)),
        {f"{name}/{i}": v for name, values in layers.items() for i, v in enumerate(values)},
    )


@pytest.mark.parametrize("write", [write_torch, write_old_torch])
def test_tensors_of_pytorch(tmp_path, write):
    check(reading.read(str(write(tmp_path / "a.pth", TENSORS))), TENSORS)


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_arrays_in_a_pickle(tmp_path, protocol):
    tree = {"params": {"Conv_0": {"kernel": KERNEL}}, "step": 3, "lists": [BIAS, np.float64(2)]}
    tree["columns"] = np.asfortranarray(LAYERS["fc6"][0])
    path = tmp_path / "a.pickle"
    path.write_bytes(pickle.dumps(tree, protocol))
    expected = {"params/Conv_0/kernel": KERNEL, "lists/0": BIAS, "lists/1": np.float64(2)}
    check(reading.read(str(path)), expected | {"columns": tree["columns"]})


def test_arrays_in_an_npz(tmp_path):
    np.savez(tmp_path / "a.npz", **{"a/w": KERNEL, "b": BIAS})
    check(reading.read(str(tmp_path / "a.npz")), {"a/w": KERNEL, "b": BIAS})


class Hostile:
    """Runs a command where a pickle of it is loaded."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_calls_nothing(tmp_path, protocol):
    mark = tmp_path / "called"
    path = tmp_path / "a.pickle"
    path.write_bytes(pickle.dumps({"w": Hostile(f"touch {mark}")}, protocol))
    with pytest.raises(UserError) as error:
        reading.read(str(path))
    assert "posix.system" in str(error.value) or protocol == 0
    assert not mark.exists()


@pytest.mark.parametrize(
    ("tree", "reason"),
    [
        ({"w": collections.Counter()}, "collections.Counter"),
        ({"w": np.array(["a"])}, "only numbers are loaded"),
        ({"w": np.dtype("f4")}, "it calls numpy.dtype, and what is no array is not loaded"),
        ({"w": 3}, "holds no array"),
    ],
)
def test_what_is_no_array_is_named(tmp_path, tree, reason):
    path = tmp_path / "a.pickle"
    path.write_bytes(pickle.dumps(tree, 4))
    with pytest.raises(UserError, match=reason):
        reading.read(str(path))


def test_dicts_that_grow_without_end_are_refused(tmp_path):
    """A few bytes say 2^40 times the same array."""
    tree = {"w": np.ones(8, "f")}
    for _ in range(40):
        tree = {"a": tree, "b": tree}
    path = tmp_path / "a.pickle"
    path.write_bytes(pickle.dumps(tree, 4))
    with pytest.raises(UserError, match="more than its size allows"):
        reading.read(str(path))


@pytest.mark.parametrize("form", ["caffe", "torch", "old torch", "pickle"])
def test_damage_is_a_sentence(tmp_path, form):
    path = tmp_path / "a"
    if form == "caffe":
        write_caffe(path, LAYERS, "c3d")
    elif form == "pickle":
        path.write_bytes(pickle.dumps(TENSORS, 4))
    else:
        (write_torch if form == "torch" else write_old_torch)(path, TENSORS)
    whole = path.read_bytes()
    refused = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        damaged = bytearray(whole[: random.integers(len(whole) // 2, len(whole) + 1)])
        for place in random.integers(len(damaged), size=3):
            damaged[place] ^= int(random.integers(1, 256))
        path.write_bytes(damaged)
        try:
            reading.read(str(path))
        except UserError:
            refused += 1
    assert refused >= 30


def test_means(tmp_path):
    volume = RANDOM.normal(size=(3, 2, 6, 8)).astype("f")
    (tmp_path / "mean.binaryproto").write_bytes(blob(volume, "c3d"))
    assert caffe_model.read_blob(str(tmp_path / "mean.binaryproto")).shape == (1, 3, 2, 6, 8)
    expected = volume.transpose(1, 2, 3, 0)
    np.testing.assert_array_equal(read_mean(str(tmp_path / "mean.binaryproto")), expected)
    for name, value in (("a", volume), ("b", expected), ("c", volume[:, 0])):
        np.save(tmp_path / f"{name}.npy", value)
    np.testing.assert_array_equal(read_mean(str(tmp_path / "a.npy")), expected)
    np.testing.assert_array_equal(read_mean(str(tmp_path / "b.npy")), expected)
    np.testing.assert_array_equal(read_mean(str(tmp_path / "c.npy")), expected[0])
    np.testing.assert_array_equal(read_mean("104,117,128"), [104, 117, 128])
    np.save(tmp_path / "d.npy", np.ones((2, 4)))
    for wrong in ("1,2", "a,b,c", str(tmp_path / "none.npy"), str(tmp_path / "d.npy")):
        with pytest.raises(UserError, match="--mean must be three numbers"):
            read_mean(wrong)
