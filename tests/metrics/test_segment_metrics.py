"""MAP@K over rated segments against loops, orders of ties and cuts."""

import pickle

import naive_metrics as naive
import numpy as np
import pytest

from yt8m.metrics import SegmentEvaluation

CLASSES = 6


def rated_segments(seed, batch=40, most=5, levels=None, classes=CLASSES):
    """Random (scores, labels, label_scores); ratings may repeat, `levels` ties scores."""
    rng = np.random.default_rng(seed)
    scores = rng.random((batch, classes))
    if levels:
        scores = np.floor(scores * levels) / levels
    labels = rng.integers(-1, classes, (batch, most)).astype(np.int32)
    label_scores = (rng.random((batch, most)) < 0.4).astype(np.float32)
    return scores.astype(np.float32), labels, label_scores


def pairs_of(scores, labels, label_scores):
    """Class -> [(score, label)], every rated pair once."""
    ratings = {}
    for row, (classes, values) in enumerate(
        zip(labels.tolist(), label_scores.tolist(), strict=True)
    ):
        for class_id, value in zip(classes, values, strict=True):
            if class_id != -1:
                ratings.setdefault((row, class_id), []).append(value)
    pairs = {}
    for (row, class_id), values in sorted(ratings.items()):
        pairs.setdefault(class_id, []).append((float(scores[row, class_id]), int(1.0 in values)))
    return pairs


def expected(scores, labels, label_scores, cut, precision=naive.expected_ap):
    """MAP@K and GAP as loops."""
    pairs = pairs_of(scores, labels, label_scores)
    positives = {c: sum(label for _, label in found) for c, found in pairs.items()}
    values = [precision(pairs[c], n, cut) for c, n in positives.items() if n]
    pool = [pair for found in pairs.values() for pair in found]
    return sum(values) / len(values), naive.expected_ap(pool, sum(positives.values()))


def evaluate(*batches, cut=100_000, classes=CLASSES):
    state = SegmentEvaluation(classes, cut)
    for batch in batches:
        state.update(*batch)
    return state


@pytest.mark.parametrize("cut", [1, 3, 7, 100_000])
@pytest.mark.parametrize("levels", [None, 1, 2, 8])
def test_matches_the_loops(cut, levels):
    for seed in range(5):
        batch = rated_segments(seed, levels=levels)
        result = evaluate(batch, cut=cut).result()
        map_at_k, gap = expected(*batch, cut)
        assert result["map_at_k"] == pytest.approx(map_at_k, abs=1e-13)
        assert result["gap"] == pytest.approx(gap, abs=1e-13)
        assert result["k"] == cut


@pytest.mark.parametrize("seed", range(12))
def test_a_cut_inside_a_tie_is_the_mean_over_every_order(seed):
    batch = rated_segments(seed, batch=6, most=2, levels=2, classes=2)
    batch[2][0] = 1
    batch[1][0] = 0
    map_at_k, _ = expected(*batch, 2, precision=naive.permuted_ap)
    result = evaluate(batch, cut=2, classes=2).result()
    assert result["map_at_k"] == pytest.approx(map_at_k, abs=1e-13)


def test_order_and_split_of_the_segments_change_no_bit():
    batch = rated_segments(3, batch=300, levels=5)
    whole = evaluate(batch, cut=20)
    order = np.random.default_rng(0).permutation(300)
    parts = [tuple(values[rows] for values in batch) for rows in np.array_split(order, 7)]
    one, other = evaluate(*parts[:3], cut=20), evaluate(*parts[3:], cut=20)
    one.merge(pickle.loads(pickle.dumps(other)))
    assert one.result() == whole.result()
    for name, values in one.per_class().items():
        np.testing.assert_array_equal(values, whole.per_class()[name])


def test_only_rated_segments_rank():
    scores = np.array([[0.9], [0.8], [0.7], [0.6]], np.float32)
    labels = np.array([[-1], [0], [-1], [0]])
    result = evaluate((scores, labels, np.array([[1.0], [0], [1], [1]])), classes=1).result()
    assert result["map_at_k"] == 0.5
    assert (result["num_segments"], result["num_ratings"]) == (4, 2)


def test_a_pair_rated_twice_counts_once_and_one_yes_is_enough():
    scores = np.array([[0.9], [0.8]], np.float32)
    labels = np.array([[0, 0, 0], [0, -1, -1]])
    label_scores = np.array([[0.0, 1.0, 0.0], [1.0, 0, 0]])
    state = evaluate((scores, labels, label_scores), classes=1)
    assert state.result()["map_at_k"] == 1.0
    assert (state.num_ratings, state.num_positive_ratings) == (2, 2)


def test_classes_without_a_positive_are_left_out_of_the_mean():
    scores = np.array([[0.9, 0.9, 0.1], [0.8, 0.8, 0.2]], np.float32)
    labels = np.array([[0, 1], [0, 1]])
    state = evaluate((scores, labels, np.array([[0.0, 0.0], [1.0, 0.0]])), classes=3)
    result, classes = state.result(), state.per_class()
    assert result["map_at_k"] == 0.5
    assert (result["num_rated_classes"], result["num_classes_with_positives"]) == (2, 1)
    np.testing.assert_array_equal(classes["rated"], [2, 2, 0])
    np.testing.assert_array_equal(classes["positives"], [1, 0, 0])
    np.testing.assert_array_equal(classes["average_precision"], [0.5, np.nan, np.nan])


def test_places_give_what_scores_in_that_order_give():
    scores, labels, label_scores = rated_segments(5, batch=60)
    by_score, by_place = evaluate((scores, labels, label_scores), cut=9), SegmentEvaluation(6, 9)
    places = np.argsort(np.argsort(-scores, axis=0), axis=0)
    pairs = {}
    for row, column in zip(*np.nonzero(labels >= 0), strict=True):
        key = (places[row, labels[row, column]], labels[row, column])
        pairs[key] = pairs.get(key, False) or label_scores[row, column] == 1
    place, class_id = np.array(list(pairs)).T
    by_place.update_ranked(place * 3, class_id, np.array(list(pairs.values())))
    found, wanted = by_place.result(), by_score.result()
    assert found["map_at_k"] == wanted["map_at_k"]
    assert found["gap"] is None and found["num_segments"] is None
    assert found["num_ratings"] == wanted["num_ratings"]


def test_what_a_list_lacks_is_not_retrieved():
    state = SegmentEvaluation(2)
    hits = np.array([True, False, True, True])
    state.update_ranked(np.array([7, 2, -1, -1]), np.array([0, 0, 0, 1]), hits)
    np.testing.assert_array_equal(state.per_class()["average_precision"], [0.25, 0.0])
    assert state.result()["map_at_k"] == 0.125


def test_places_and_scores_do_not_compare():
    placed, scored = SegmentEvaluation(CLASSES), evaluate(rated_segments(0))
    placed.update_ranked(np.array([0]), np.array([0]), np.array([True]))
    scored.merge(placed)
    assert scored.result()["gap"] is None


def test_the_loss_is_the_mean_over_the_segments_that_have_one():
    batch = rated_segments(0, batch=4)
    state = evaluate(batch)
    assert state.result()["loss"] is None
    state.update(*batch, losses=np.array([1.0, 2.0, 3.0, 6.0]))
    state.merge(state)
    assert state.result()["loss"] == 3.0


def test_a_rated_pair_takes_six_bytes():
    state = SegmentEvaluation(3862)
    labels = np.tile(np.arange(1000), (1000, 1))
    for _ in range(4):
        state.update(np.zeros((1000, 3862), np.float32), labels, np.ones((1000, 1000)))
    assert state.num_ratings == 4_000_000
    assert len(pickle.dumps(state)) < 4_000_000 * 6 + 100_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": np.full((2, 3), np.nan)}, "NaN"),
        ({"scores": np.full((2, 3), 1.5)}, "probabilities"),
        ({"scores": np.zeros((2, 4))}, r"shape \(batch, 3\)"),
        ({"labels": np.zeros((2, 2), int)}, r"label_scores.shape=\(2, 1\)"),
        ({"labels": np.zeros((1, 1), int), "label_scores": np.zeros((1, 1))}, "most ratings"),
        ({"labels": np.full((2, 1), 3)}, r"classes must be in \[0, 3\). Received: values from 3"),
        ({"losses": np.zeros(3)}, r"losses must be of shape \(2,\)"),
    ],
)
def test_ratings_that_do_not_fit_are_refused(change, message):
    good = {
        "scores": np.zeros((2, 3)),
        "labels": np.zeros((2, 1), int),
        "label_scores": np.ones((2, 1)),
    }
    state = SegmentEvaluation(3)
    with pytest.raises(ValueError, match=message):
        state.update(**good | change)
    assert state.num_ratings == 0


def test_refuses_places_and_settings():
    state, yes = SegmentEvaluation(3), np.array([True])
    with pytest.raises(ValueError, match="places must be in"):
        state.update_ranked(np.array([-2]), np.array([0]), yes)
    with pytest.raises(ValueError, match="classes must be in"):
        state.update_ranked(np.array([0]), np.array([3]), yes)
    with pytest.raises(ValueError, match="one length"):
        state.update_ranked(np.array([0, 1]), np.array([0]), yes)
    with pytest.raises(ValueError, match="cut=0"):
        SegmentEvaluation(3, 0)
    with pytest.raises(ValueError, match="num_classes=0"):
        SegmentEvaluation(0)
    with pytest.raises(ValueError, match="cut=5"):
        state.merge(SegmentEvaluation(3, 5))
    with pytest.raises(ValueError, match="No rating is positive"):
        state.result()
