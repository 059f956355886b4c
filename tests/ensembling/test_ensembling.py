"""Ensembles of submissions against plain loops, and what is said of bad files."""

import itertools
import logging as std_logging
import math
import os
import random

import numpy as np
import pytest

from yt8m.base.errors import UserError
from yt8m.ensemble import are_of_segments, check_output, input_files
from yt8m.ensembling import index, videos
from yt8m.ensembling.methods import ScoreRanks
from yt8m.ensembling.videos import METHODS, VideoEnsemble
from yt8m.submissions import video_file

NUM_CLASSES = 30


def random_files(seed: int, num_files: int = 3) -> list[dict[str, list]]:
    """Files as dicts: id -> [(class, score)], best first, some videos missing, some empty."""
    rng = random.Random(seed)
    files = []
    for _ in range(num_files):
        ids = [f"v{number}" for number in range(40)]
        rng.shuffle(ids)
        file = {}
        for name in ids[: rng.choice([40, 30])]:
            classes = rng.sample(range(NUM_CLASSES), rng.choice([0, 1, 4, 8]))
            values = [float(f"{rng.choice([rng.random() ** 4, 0.25, 0.0]):g}") for _ in classes]
            file[name] = list(zip(classes, sorted(values, reverse=True), strict=True))
        files.append(file)
    return files


def write(path, file: dict[str, list]) -> str:
    lines = (f"{name},{' '.join(f'{c} {s:g}' for c, s in pairs)}\n" for name, pairs in file.items())
    path.write_text("VideoId,LabelConfidencePairs\n" + "".join(lines))
    return str(path)


def write_all(folder, files) -> list[str]:
    return [write(folder / f"{number}.csv", file) for number, file in enumerate(files)]


def ensemble(folder, paths, method="mean", weights=None, top_k=20) -> str:
    """The text of the ensemble of some files."""
    weights = np.ones(len(paths)) if weights is None else np.array(weights)
    VideoEnsemble(paths, method, NUM_CLASSES).write(str(folder / "out.csv"), weights, top_k)
    return (folder / "out.csv").read_text(errors="surrogateescape")


def read(folder) -> dict[str, list]:
    rows = video_file.read_rows(str(folder / "out.csv"), NUM_CLASSES)
    return {name: list(zip(classes, scores, strict=True)) for name, classes, scores in rows}


def bin_of(score: float) -> tuple[int, int, float]:
    """The power of two below a score, which 2048th of its octave it is in, and how far in that."""
    if not score:
        return -9999, 0, 0.0
    mantissa, exponent = math.frexp(float(np.float32(score)))
    within = (2 * mantissa - 1) * 2048
    return exponent, math.floor(within), within % 1


def rank_score(score: float, file: dict[str, list]) -> float:
    own = bin_of(score)
    bins = [bin_of(s)[:2] for pairs in file.values() for _, s in pairs]
    above = sum(other > own[:2] for other in bins)
    return 1 / (1 + (above + bins.count(own[:2]) * (1 - own[2])) / len(file))


def expected_score(method: str, name: str, c: int, files, weights) -> float:
    total = amount = 0.0
    for file, weight in zip(files, weights, strict=True):
        pairs = dict(file.get(name, []))
        if not pairs:
            continue
        amount += weight
        if method == "mean":
            total += weight * pairs.get(c, 0.0)
        elif method == "rank":
            total += weight * (rank_score(pairs[c], file) if c in pairs else 0.0)
        else:
            score = max(pairs[c], 1e-30) if c in pairs else max(min(pairs.values()), 1e-30) / 2
            total += weight * math.log(score)
    mean = total / amount
    return math.exp(mean) if method == "geometric" else mean


def expected(method: str, files, weights, top_k: int) -> dict[str, list]:
    result = {}
    for name in dict.fromkeys(itertools.chain(*files)):
        lists = [[c for c, _ in file.get(name, [])] for file in files]
        ranked = []
        for c in set(itertools.chain(*lists)):
            score = expected_score(method, name, c, files, weights)
            place = min(classes.index(c) for classes in lists if c in classes)
            ranked.append((-float(np.float32(score)), place, c, score))
        result[name] = [(c, score) for _, _, c, score in sorted(ranked)[:top_k]]
    return result


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("method", METHODS)
def test_ensembles_are_those_of_plain_loops(method, seed, tmp_path):
    files = random_files(seed)
    weights, top_k = [(1, 1, 1), (0.6, 0.3, 0.1)][seed % 2], [5, 20][seed // 2]
    ensemble(tmp_path, write_all(tmp_path, files), method, weights, top_k)
    found, wanted = read(tmp_path), expected(method, files, weights, top_k)
    assert list(found) == list(wanted)
    for name, pairs in wanted.items():
        assert [c for c, _ in found[name]] == [c for c, _ in pairs], name
        assert [s for _, s in found[name]] == pytest.approx([s for _, s in pairs], rel=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_blocks_do_not_show(method, tmp_path, monkeypatch):
    paths = write_all(tmp_path, random_files(7))
    whole = ensemble(tmp_path, paths, method)
    monkeypatch.setattr(videos, "_BLOCK_BYTES", 400)
    assert ensemble(tmp_path, paths, method) == whole
    monkeypatch.setattr(videos, "_BLOCK_BYTES", 8 << 20)
    monkeypatch.setattr(videos, "_BLOCK_ROWS", 3)
    assert ensemble(tmp_path, paths, method) == whole


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_files_and_lines_does_not_matter(method, tmp_path):
    files = random_files(5, num_files=4)
    paths = write_all(tmp_path, files)
    texts = set()
    for order in itertools.permutations(paths):
        texts.add("".join(sorted(ensemble(tmp_path, list(order), method).splitlines(True))))
    shuffled = [dict(sorted(file.items())) for file in files]
    text = ensemble(tmp_path, write_all(tmp_path, shuffled), method)
    assert texts == {"".join(sorted(text.splitlines(True)))}


def test_the_mean_of_one_file_is_that_file(tmp_path):
    text = "VideoId,LabelConfidencePairs\nb,3 0.5 1 0.25 2 0.25 0 1e-07\n-a,\nNA,1 0.999999\n"
    (tmp_path / "a.csv").write_text(text)
    assert ensemble(tmp_path, [str(tmp_path / "a.csv")], weights=[0.3]) == text


@pytest.mark.parametrize("method", METHODS)
def test_one_file_keeps_its_order_over_all_videos(method, tmp_path):
    """So its GAP stays: also of scores that differ in their last printed digit."""
    file = {f"v{n}": [(0, 0.5 + n * 1e-6), (1, 0.1 + n * 1e-6)] for n in range(50)}
    ensemble(tmp_path, [write(tmp_path / "a.csv", file)], method)
    found = read(tmp_path)
    for column in (0, 1):
        scores = [found[f"v{n}"][column][1] for n in range(50)]
        assert (np.diff(scores) >= 0).all()
        assert len(set(scores)) == 50


def test_ranks_take_any_scores():
    scores = np.random.default_rng(0).permutation(np.linspace(-8, 8, 400)) ** 3
    ranks = ScoreRanks([scores[:150], scores[150:]], 1)
    exact = np.array([(scores > score).sum() for score in scores])
    found = ranks.exceeding(scores)
    assert np.abs(found - exact - 0.5).max() <= 2
    assert (np.diff(found[np.argsort(scores)]) < 0).all()


def test_logits_need_ranks(tmp_path):
    paths = [write(tmp_path / "a.csv", {"v": [(1, 2.0), (0, -1.5)]})]
    for method in ("mean", "geometric"):
        with pytest.raises(UserError, match=r"negative score -1.5.*--method=rank"):
            ensemble(tmp_path, paths, method)
    assert [c for c, _ in read_after(tmp_path, paths, "rank")["v"]] == [1, 0]


def read_after(folder, paths, method) -> dict[str, list]:
    ensemble(folder, paths, method)
    return read(folder)


ODD = [
    b'"a,b",1 0.5 2 0.25\r\n"say ""x""",\r\n"line\nend",3 0.5\r\nplain,"4 0.5"\r\n',
    b"\xff\xfe,1 0.5\n\n  x ,2 0.5\n-,3 0.5",
    b"a,1  0.5 2\t0.25 \nb,+3 5e-1\n",
    b"a,1 0.5\rb,2 0.5\r",
]


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"], ids=["plain", "bom"])
@pytest.mark.parametrize("number", range(len(ODD)))
def test_every_file_that_can_be_read_can_be_joined(number, bom, tmp_path):
    header = b'"VideoId","LabelConfidencePairs"\r\n' if bom else b"VideoId,LabelConfidencePairs\r"
    path = tmp_path / "odd.csv"
    path.write_bytes(bom + header + ODD[number])
    assert not are_of_segments([str(path)])
    wanted = list(video_file.read_rows(str(path), NUM_CLASSES))
    other = write(tmp_path / "other.csv", {"other": [(7, 0.5)]})
    ensemble(tmp_path, [str(path), other])
    found = list(video_file.read_rows(str(tmp_path / "out.csv"), NUM_CLASSES))
    assert found == [*wanted, ("other", [7], [0.5])]


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("a", "id,class score"),
        ("a,1", "id,class score"),
        ("a,1 0.5,2", "id,class score"),
        (" ", "id,class score"),
        ("   ", "id,class score"),
        ("a,x 0.5", "pairs of a class and a score"),
        ("a,1 0.5-2", "pairs of a class and a score"),
        ("a,1 0.5+2 0.25+3 0.125", "pairs of a class and a score"),
        ("a,1 0.5 2.5 0.5", "pairs of a class and a score"),
        ("a,30 0.5", "class 30, outside 0 to 29"),
        ("a,-1 0.5", "class -1, outside 0 to 29"),
        ("a,1 0.5 1 0.4", "names class 1 twice"),
        ("a,1 1e39", "no finite float32"),
        ("a,1 nan", "no finite float32"),
        ('"a,",1 0.5 2 x', "pairs of a class and a score"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_written(line, part, tmp_path):
    good = write(tmp_path / "good.csv", {"ok": [(1, 0.5)], "a": [(2, 0.5)]})
    (tmp_path / "bad.csv").write_text(f"{video_file.HEADER}\nok,1 0.5\n{line}\nb,\n")
    with pytest.raises(UserError, match=r"bad\.csv, line 3") as error:
        ensemble(tmp_path, [good, str(tmp_path / "bad.csv")])
    assert part in str(error.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.csv", "good.csv"]


def test_a_video_with_two_lines_an_empty_file_and_an_endless_line(tmp_path):
    bad = tmp_path / "bad.csv"
    bad.write_text(f'{video_file.HEADER}\nv1,1 0.5\nv2,1 0.5\n"v1",2 0.5\n')
    with pytest.raises(UserError, match=r"bad\.csv has two rows of 'v1'"):
        VideoEnsemble([str(bad)], "mean", NUM_CLASSES)
    bad.write_text(video_file.HEADER + "\n")
    with pytest.raises(UserError, match=r"bad\.csv has no rows"):
        VideoEnsemble([str(bad)], "mean", NUM_CLASSES)
    bad.write_text(video_file.HEADER + "\nv," + "1 0.5 " * 3_000_000)
    with pytest.raises(UserError, match=r"bad\.csv has a row of more than 15 MB, at byte 29"):
        VideoEnsemble([str(bad)], "mean", NUM_CLASSES)
    bad.write_text(video_file.HEADER + '\n"v,' + "1 0.5 " * 3_000_000)
    with pytest.raises(UserError, match=r"bad\.csv"):
        VideoEnsemble([str(bad)], "mean", NUM_CLASSES)


def test_a_file_that_shrinks_while_it_is_read(tmp_path):
    path = write(tmp_path / "a.csv", {"v1": [(1, 0.5)], "v2": [(1, 0.5)]})
    joined = VideoEnsemble([path], "mean", NUM_CLASSES)
    write(tmp_path / "a.csv", {"v1": [(1, 0.5)]})
    with pytest.raises(UserError, match="became shorter"):
        joined.write(str(tmp_path / "out.csv"), np.ones(1), 20)
    assert not (tmp_path / "out.csv").exists()


def test_rows_are_read_with_their_neighbours_and_without_what_lies_between(tmp_path, monkeypatch):
    file = {f"v{number}": [(c, 0.5) for c in range(NUM_CLASSES)] for number in range(100)}
    path = write(tmp_path / "a.csv", file)
    locations = np.array([location for _, location in index.key_locations(path)])
    sizes, pread = [], os.pread

    def counting(descriptor: int, size: int, offset: int) -> bytes:
        sizes.append(size)
        return pread(descriptor, size, offset)

    monkeypatch.setattr(os, "pread", counting)
    wanted = [90, 3, 91, 0, 92]
    rows = index.read_rows(path, locations.astype(np.uint64)[wanted])
    assert [row.partition(b",")[0].decode() for row in rows] == [f"v{n}" for n in wanted]
    assert len(sizes) == 2
    assert sum(sizes) < 8 * len(rows[0])


def test_missing_videos_and_files_of_weight_0_are_counted(tmp_path, caplog):
    files = [{"a": [(1, 0.5)], "b": [(1, 0.5)]}, {"a": [(2, 0.75)], "c": [(2, 0.5)]}]
    paths = write_all(tmp_path, files)
    with caplog.at_level(std_logging.WARNING, logger="absl"):
        ensemble(tmp_path, paths, weights=[1, 0])
    assert read(tmp_path) == {"a": [(1, 0.5)], "b": [(1, 0.5)]}
    assert "0.csv lacks 1 of 3 videos" in caplog.text
    assert "1.csv lacks 1 of 3 videos" in caplog.text
    assert "1 videos are left out" in caplog.text


def test_input_files_are_found_in_order_and_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b1.csv", "b0.csv", "a.csv", "[odd].csv"):
        (tmp_path / name).write_text("")
    assert input_files("b*.csv, a.csv,") == ["b0.csv", "b1.csv", "a.csv"]
    assert input_files("[odd].csv") == ["[odd].csv"]
    with pytest.raises(UserError, match=r"No file matches none\*\.csv"):
        input_files("a.csv,none*.csv")
    with pytest.raises(UserError, match=r"names (\./)?a\.csv twice"):
        input_files("a.csv,./a.csv")
    with pytest.raises(UserError, match="empty"):
        input_files(" , ")
    (tmp_path / "link.csv").symlink_to("a.csv")
    with pytest.raises(UserError, match="is one of the --input_files"):
        check_output("link.csv", ["b0.csv", "./a.csv"])
    check_output("new.csv", ["b0.csv", "a.csv"])


def test_kinds_must_not_mix(tmp_path):
    videos = write(tmp_path / "videos.csv", {"v": [(1, 0.5)]})
    (tmp_path / "segments.csv").write_text("Class,Segments\n1,v:0\n")
    (tmp_path / "notes.csv").write_text("hello\n")
    segments, notes = str(tmp_path / "segments.csv"), str(tmp_path / "notes.csv")
    assert are_of_segments([segments])
    with pytest.raises(UserError, match=r"videos\.csv is .* videos, and .*segments\.csv one of"):
        are_of_segments([videos, segments])
    with pytest.raises(UserError, match=r"notes\.csv is no submission.*'hello'"):
        are_of_segments([videos, notes])
    with pytest.raises(UserError, match="Cannot read"):
        are_of_segments([str(tmp_path / "none.csv")])
