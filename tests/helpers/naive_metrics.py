"""The metrics written out as plain loops: slow, and sharing no code with the package."""

import itertools
import math


def ranked(row):
    """Classes of a row, best first, the lower class first among equal scores."""
    return sorted(range(len(row)), key=lambda c: (-row[c], c))


def expected_ap(pairs, num_positives, cut=None):
    """AP of [(score, label)], equal scores at their expected value, place by place."""
    total, place, seen = 0.0, 0, 0
    for _, tie in itertools.groupby(sorted(pairs, key=lambda x: -x[0]), key=lambda x: x[0]):
        labels = [label for _, label in tie]
        n, p = len(labels), sum(labels)
        for j in range(1, n + 1):
            place += 1
            if cut is not None and place > cut:
                return total / num_positives
            others = (j - 1) * (p - 1) / (n - 1) if n > 1 else 0.0
            total += p / n * (seen + 1 + others) / place
        seen += p
    return total / num_positives


def permuted_ap(pairs, num_positives, cut=None):
    """AP averaged over every order of equal scores; for a handful of pairs."""
    values = []
    for order in itertools.permutations(pairs):
        if any(a[0] < b[0] for a, b in itertools.pairwise(order)):
            continue
        seen, total = 0, 0.0
        for place, (_, label) in enumerate(order[:cut], start=1):
            seen += label
            total += label * seen / place
        values.append(total / num_positives)
    return math.fsum(values) / len(values)


def by_class(videos, num_classes, top_k):
    """AP over lists, AP over all, precision and recall at 3, of classes with a positive."""
    aps, full_aps, precisions, recalls = {}, {}, {}, {}
    for c in range(num_classes):
        positives = sum(truth[c] for _, truth, _ in videos)
        if not positives:
            continue
        listed = [(row[c], truth[c]) for row, truth, order in videos if c in order[:top_k]]
        aps[c] = expected_ap(listed, positives)
        full_aps[c] = expected_ap([(row[c], truth[c]) for row, truth, _ in videos], positives)
        annotated = [truth[c] for _, truth, order in videos if c in order[:3]]
        precisions[c] = sum(annotated) / len(annotated) if annotated else 0.0
        recalls[c] = sum(annotated) / positives
    return aps, full_aps, precisions, recalls


def evaluate(scores, labels, top_k):
    """Every metric of `Evaluation.result` but the loss, from lists of lists."""
    num_classes = len(scores[0])
    videos = [(row, truth, ranked(row)) for row, truth in zip(scores, labels, strict=True)]
    num_labels = sum(sum(truth) for truth in labels)
    pool = [(row[c], truth[c]) for row, truth, order in videos for c in order[:top_k]]
    perr = right = given = 0
    for row, truth, order in videos:
        length = sum(truth)
        if length:
            perr += sum(truth[c] for c in order[:length] if row[c] > 0) / length
        right += sum(truth[c] for c in order[:3])
        given += len(order[:3])
    aps, full_aps, precisions, recalls = by_class(videos, num_classes, top_k)

    def mean(values):
        return sum(values.values()) / len(values)

    return {
        "gap": expected_ap(pool, num_labels),
        "hit_at_1": sum(t[o[0]] for _, t, o in videos) / len(videos),
        "hit_at_5": sum(any(t[c] for c in o[:5]) for _, t, o in videos) / len(videos),
        "perr": perr / len(videos),
        "map": mean(aps),
        "map_full": mean(full_aps),
        "overall_precision_at_3": right / given,
        "overall_recall_at_3": right / num_labels,
        "per_class_precision_at_3": mean(precisions),
        "per_class_recall_at_3": mean(recalls),
        "num_examples": len(videos),
        "num_labels": num_labels,
        "num_classes_with_positives": len(aps),
    }
