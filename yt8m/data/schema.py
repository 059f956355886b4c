"""What a record holds: the contract between shards, readers and models. Needs no TensorFlow."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from yt8m.base import json_files
from yt8m.base.errors import UserError

VIDEO = "video"
FRAME = "frame"
DTYPES = ("uint8", "float32")
_MOST_KEYS, _LONGEST_KEY = 20, 60  # In a sentence; a damaged record may have any.


def shown_keys(keys: Iterable[str]) -> str:
    """The keys of a record, as an error lists them.

    Example:
        >>> shown_keys(["labels", "id"])
        'id, labels'
    """
    names = sorted(keys)
    cut = [n if len(n) <= _LONGEST_KEY else f"{n[:_LONGEST_KEY]}..." for n in names[:_MOST_KEYS]]
    more = [f"and {len(names) - _MOST_KEYS} more"] if len(names) > _MOST_KEYS else []
    return ", ".join(cut + more) or "none"


@dataclasses.dataclass(frozen=True)
class Feature:
    """One feature of a record, and one input of a model.

    Attributes:
        name: the model input's name, such as `rgb`.
        size: the number of values in one vector.
        dtype: `uint8` (quantised) or `float32`.
        key: the key in the record; differs from the name where the key is no identifier.
    """

    name: str
    size: int
    dtype: str
    key: str

    def __str__(self) -> str:
        return f"{self.name} ({self.dtype}[{self.size}])"

    @classmethod
    def from_json(cls, data: dict) -> Feature:
        """The feature that a dictionary of its fields is.

        Raises:
            ValueError: it is none.
        """
        kinds = {"name": str, "size": int, "dtype": str, "key": str}
        json_files.check_fields("a feature", data, kinds)
        if data["size"] < 1 or data["dtype"] not in DTYPES:
            raise ValueError(
                f"a feature must be of {' or '.join(DTYPES)}, with one value at least, not "
                f"{data['dtype'][:80]}[{data['size']}]"
            )
        return cls(**data)


@dataclasses.dataclass(frozen=True)
class Schema:
    """The kind of record, its features in order, and the keys around them.

    Attributes:
        kind: `video` (tf.Example, a vector per feature) or `frame` (tf.SequenceExample, a list
            of vectors per feature).
        features: in the order in which models join them.
        id_key: `id`, or `video_id` in the 2017 and the AudioSet records.
        labels_key: the key of the class ids.
        segments: whether the records carry rated segments (YouTube-8M 2019).
        video_features: vectors of the whole video beside its frames, in the context of frame-level
            records; those alone that were asked for by name.
    """

    kind: str
    features: tuple[Feature, ...]
    id_key: str = "id"
    labels_key: str = "labels"
    segments: bool = False
    video_features: tuple[Feature, ...] = ()

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the features, in order."""
        return tuple(feature.name for feature in self.features)

    @property
    def input_names(self) -> tuple[str, ...]:
        """The names of all that a model is shown of a record, but the number of frames."""
        return tuple(feature.name for feature in (*self.features, *self.video_features))

    def __str__(self) -> str:
        beside = ", ".join(str(feature) for feature in self.video_features)
        features = ", ".join(str(feature) for feature in self.features)
        return f"{self.kind}-level: {features}" + (
            f"; beside the frames {beside}" if beside else ""
        )

    def to_json(self) -> dict:
        """This schema as plain dictionaries and lists; `video_features` where there are any."""
        values = dataclasses.asdict(self)
        for name in ("features", "video_features"):
            values[name] = [dict(vars(feature)) for feature in getattr(self, name)]
        if not self.video_features:  # As versions wrote it that knew none.
            del values["video_features"]
        return values

    @classmethod
    def from_json(cls, data: dict) -> Schema:
        """The inverse of `to_json`.

        Raises:
            ValueError: it is no such schema.
        """
        kinds = {"kind": str, "features": list, "id_key": str, "labels_key": str, "segments": bool}
        kinds["video_features"] = list
        json_files.check_fields("schema", data, kinds, optional=("video_features",))
        if data["kind"] not in (VIDEO, FRAME):
            raise ValueError(f"it is of the unknown kind {data['kind'][:80]!r} of examples")
        features = tuple(Feature.from_json(feature) for feature in data["features"])
        beside = tuple(Feature.from_json(f) for f in data.get("video_features", ()))
        every = [feature.name for feature in (*features, *beside)]
        if not features or len(set(every)) < len(every):
            raise ValueError("its features must have different names, and be one at least")
        if beside and data["kind"] != FRAME:
            raise ValueError("only records of frames have vectors beside the frames")
        return cls(**(data | {"features": features, "video_features": beside}))

    def select(self, names: tuple[str, ...], sizes: tuple[int, ...] = ()) -> Schema:
        """Keeps the features called `names`, in that order, and checks their sizes.

        Args:
            names: feature names; empty keeps all.
            sizes: the sizes the caller expects, one a name; empty expects nothing.

        Raises:
            UserError: a name that the records do not hold, or a size that contradicts them.
        """
        names = names or self.feature_names
        by_name = {f.name: f for f in self.features} | {f.key: f for f in self.features}
        missing = [name for name in names if name not in by_name]
        if missing:
            raise UserError(
                f"--feature_names asks for {', '.join(missing)}, but the records hold {self}. "
                "Name features that are there."
            )
        features = tuple(by_name[name] for name in names)
        if len(set(features)) < len(features):
            raise UserError(f"--feature_names names a feature twice. Received: {','.join(names)}.")
        if sizes and len(sizes) != len(names):
            raise UserError(
                f"--feature_sizes needs one size a feature. Received: {len(sizes)} sizes "
                f"({','.join(map(str, sizes))}) for {len(names)} features ({','.join(names)})."
            )
        for feature, size in zip(features, sizes, strict=False):
            if feature.size != size:
                raise UserError(
                    f"--feature_sizes says that {feature.name} has {size} values, but the records "
                    f"hold {feature}. Correct the flag, or leave it out."
                )
        return dataclasses.replace(self, features=features)

    def match(self, data: Schema, where: str) -> Schema:
        """This schema's features, as the records of another data set hold them.

        Args:
            data: the schema detected in the other records.
            where: the pattern of those records, for the error.

        Returns:
            `data`, with only the features of this schema, in its order, and its vectors beside the
            frames, which the reader looks for in each record.

        Raises:
            UserError: where the records cannot feed a model made for this schema.
        """
        by_name = {feature.name: feature for feature in data.features}
        found = [by_name.get(f.name) for f in self.features]
        agree = all(
            g is not None and (f.size, f.dtype) == (g.size, g.dtype)
            for f, g in zip(self.features, found, strict=True)
        )
        if data.kind != self.kind or not agree:
            raise UserError(
                f"The records in {where} do not fit the model: it takes {self}; they hold {data}."
            )
        beside = self.video_features
        return dataclasses.replace(data, features=tuple(found), video_features=beside)

    def labels_only(self) -> Schema:
        """What reads ids and labels alone, fast: frame-level records read as video-level ones."""
        return dataclasses.replace(self, kind=VIDEO, features=(), video_features=())

    def default_num_classes(self) -> int:
        """The vocabulary such records have: AudioSet 527, YouTube-8M 2017 4716, later 3862."""
        if "audio_embedding" in self.feature_names:
            return 527
        return 4716 if self.id_key == "video_id" else 3862
