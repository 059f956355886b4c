"""Shards of which bytes are damaged, and records of which the proto is."""

from __future__ import annotations

import csv
import dataclasses
import functools
import json
import re
from collections.abc import Sequence
from pathlib import Path

from tools.fuzzing import damaged_bytes, framing, records
from tools.fuzzing.case import IN, OUT, Case, Dice, Target, chance, pick
from tools.fuzzing.framing import Account
from tools.fuzzing.processes import Outcome
from tools.fuzzing.samples import Samples
from tools.fuzzing.targets import reading_jobs

_NOTHING = "there is nothing to measure"  # As where no rating that is left is positive.
_NAME = "damaged.tfrecord"
_LOST = re.compile(r"([\d,]+) byte\(s\) lost: ")


def damaged_shard(dice: Dice, made: Sequence[bytes]) -> tuple[bytes, tuple[bytes, ...]]:
    """A damaged shard of some records, and the headers with lying lengths that were put into it."""
    framed = [framing.frame(record) for record in made]
    headers: tuple[bytes, ...] = ()
    if not dice.is_sound and chance(dice, 0.15):
        one, other = (int(dice.integers(len(framed))) for _ in range(2))
        framed[one], framed[other] = framed[other], framed[one]
    if not dice.is_sound and chance(dice, 0.3):
        number = int(dice.integers(len(framed)))
        headers = (framing.header(_lie(dice, framed, number)),)
        framed[number] = headers[0] + framed[number][12:]
    data = b"".join(framed)
    if headers and chance(dice, 0.5):
        return data, headers
    return damaged_bytes.damaged(dice, data), headers


def _lie(dice: Dice, framed: list[bytes], number: int) -> int:
    """A length that a record does not have: of this and the next records, past the end, any."""
    rest = [len(whole) for whole in framed[number:]]
    several = sum(rest[: int(dice.integers(1, len(rest) + 1))]) - 16
    return pick(dice, [several, several, sum(rest), 2**40, 2**63, 0, int(dice.integers(2000))])


def _make_damaged(dice: Dice, folder: Path, samples: Samples, kind: str) -> Case:
    count = int(pick(dice, [2, 12, 12, 150]))
    made = records.some(dice, kind, count)
    data, headers = damaged_shard(dice, made)
    (folder / IN / _NAME).write_bytes(data)
    account = framing.account(data, made, headers)
    num_clean = 0
    if chance(dice, 0.5):
        num_clean = 3
        clean = records.some(dice, kind, num_clean, first=1000)
        (folder / IN / "clean.tfrecord").write_bytes(b"".join(map(framing.frame, clean)))
    mode = pick(dice, ["skip", "skip", "fail"])
    pattern = f"{IN}/*.tfrecord"
    flags = {"on_corrupt_shard": mode, "batch_size": 8}
    job = pick(dice, ["inference", "inference", "eval", "eval", "train"])
    if job == "train":  # It reads as far as it needs to, so that it has no account to give.
        return reading_jobs.training(samples, kind, pattern, on_corrupt_shard=mode)
    if job == "inference":
        case = reading_jobs.inference(samples, kind, pattern, **flags)
    else:
        case = reading_jobs.evaluation(samples, kind, folder, pattern, **flags)
    check = _check_fail if mode == "fail" else _check_skip
    return dataclasses.replace(case, check=functools.partial(check, account, num_clean))


def _check_fail(account: Account, num_clean: int, outcome: Outcome, folder: Path) -> list[str]:
    """With --on_corrupt_shard=fail a job ends where something is lost, and names the file."""
    if outcome.status:
        may_fail = account.most_lost or not (num_clean or account.found)
        problems = [] if may_fail else ["the job failed, though nothing is lost"]
        return problems + ([] if _NAME in outcome.stderr else ["the sentence does not name it"])
    return ["the job went on, though something is lost"] if account.least_lost else []


def _check_skip(account: Account, num_clean: int, outcome: Outcome, folder: Path) -> list[str]:
    """With --on_corrupt_shard=skip exactly what is undamaged is read, and the rest is lost."""
    readable = num_clean or any(must for _, must in account.found)
    if outcome.status:
        failed = readable and _NOTHING not in outcome.stderr
        return ["undamaged records were not read, for the job failed"] if failed else []
    if not (num_clean or account.found):
        return ["the job ended well with nothing to read"]
    if (folder / OUT / "run").exists():
        (path,) = (folder / OUT / "run" / "eval").glob("*[0-9].json")
        results = json.loads(path.read_text())
        lost = sum(results["lost"].values())
        read = None if "num_segments" in results else results.get("num_examples")
        return _check_lost(account, lost, None) + _check_number(account, num_clean, read)
    said = _LOST.findall(outcome.stderr)
    lost = int(said[-1].replace(",", "")) if said else 0
    with open(folder / OUT / "submission.csv", encoding="utf-8", newline="") as file:
        ids = [int(row[0][1:]) for row in list(csv.reader(file))[1:]]
    read = [number for number in ids if number < 1000]
    return _check_ids(account, read) + _check_lost(account, lost, read)


def _check_ids(account: Account, read: list[int]) -> list[str]:
    """Each video once, in the order of its first record."""
    must = [number for number, certain in account.found if certain]
    may = [number for number, _ in account.found]
    wrong = set(read) - set(may) or set(must) - set(read)
    if wrong or (account.is_certain and read != list(dict.fromkeys(may))):
        return [f"read were {read}, but undamaged are {must} (and perhaps others of {may})"]
    return []


def _check_lost(account: Account, lost: int, read: list[int] | None) -> list[str]:
    """The bytes that are lost are those of the file less those of the records read."""
    numbers = [number for number, _ in account.found]
    if read is not None and len(set(numbers)) == len(numbers):
        expected = account.lost(read)
        fits = lost == expected
    else:
        expected = account.most_lost
        fits = account.least_lost <= lost <= expected
    return [] if fits else [f"{lost} bytes are said to be lost. Received: {expected}"]


def _check_number(account: Account, num_clean: int, read: int | None) -> list[str]:
    """Metrics are of records: one that stands there twice counts twice."""
    least = num_clean + sum(must for _, must in account.found)
    most = num_clean + len(account.found)
    if read is None or least <= read <= most:
        return []
    return [f"{read} records were evaluated, of {least} to {most} undamaged ones"]


def _make_records(dice: Dice, folder: Path, samples: Samples) -> Case:
    """A shard of records of which one or several protos are damaged, with right checksums."""
    kind = pick(dice, records.KINDS)
    made = records.some(dice, kind, 8)
    for number in range(len(made)):
        if chance(dice, 0.2) or number == 3:
            made[number] = records.damaged(dice, made[number], kind)
    first = int(pick(dice, [0, 0, 3]))
    made = [made[first], *made]
    (folder / IN / "records.tfrecord").write_bytes(b"".join(map(framing.frame, made)))
    return reading_jobs.any_job(dice, samples, kind, folder, f"{IN}/records.tfrecord")


def _make_detect(dice: Dice, folder: Path, samples: Samples) -> Case:
    """A file that is no shard, or one of which the first record tells little."""
    kind = pick(dice, records.KINDS)
    made = records.some(dice, kind, 3)
    data = b"".join(map(framing.frame, made))
    odd = (
        data
        if dice.is_sound
        else pick(
            dice,
            [
                damaged_bytes.other_form(dice, data),
                damaged_bytes.damaged(dice, data[:80]) + data[80:],
                framing.frame(b"") + data,
                framing.frame(records.damaged(dice, made[0], kind)) * 3 + data,
                made[0],
                data[: int(dice.integers(16, 90))],
            ],
        )
    )
    names = ["first.tfrecord", "first.tfrecord.gz", "first", "no.csv", "first.pb"]
    name = names[0] if dice.is_sound else pick(dice, names)  # A CSV file names raw video.
    (folder / IN / name).write_bytes(odd)
    if chance(dice, 0.3):
        (folder / IN / "second.tfrecord").write_bytes(data)
    pattern = pick(dice, [f"{IN}/*", f"{IN}/{name}"])
    return reading_jobs.any_job(dice, samples, kind, folder, pattern)


TARGETS = {
    f"{kind}_shards": Target(functools.partial(_make_damaged, kind=kind)) for kind in records.KINDS
} | {"records": Target(_make_records), "detect": Target(_make_detect)}
