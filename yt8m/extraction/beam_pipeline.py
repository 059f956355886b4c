"""The Apache Beam transforms of an extraction. They need the extra `beam`."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Iterable, Iterator

import apache_beam as beam
import tensorflow as tf
from absl import logging as absl_logging
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

from yt8m.base.errors import UserError
from yt8m.data.video.frames.containers import VideoError
from yt8m.data.video.spans import Span
from yt8m.extraction import networks, shards, whitening
from yt8m.extraction.extractor import Extractor, embed_some_frames
from yt8m.extraction.feature_settings import FeatureSettings
from yt8m.extraction.shards import Item
from yt8m.extraction.whitening import Moments

# Beam's runner inside a process. The name `DirectRunner` may stand for others, that Beam downloads.
_LOCAL_RUNNER = "apache_beam.runners.portability.fn_api_runner.fn_runner.FnApiRunner"
# Runners whose server tells Beam, when a pipeline starts, which options it has besides.
_WITH_A_SERVER = ("portablerunner", "flinkrunner", "sparkrunner")
_FRAMES_OF_A_VIDEO = 8


def parse_options(arguments: Iterable[str]) -> PipelineOptions:
    """The options of a pipeline.

    Args:
        arguments: as of Beam's command line. Without a `--runner` among them, the pipeline runs in
            the process that starts it.

    Raises:
        UserError: Beam does not understand them.
    """
    logging.getLogger("apache_beam").setLevel(logging.WARNING)
    arguments = list(arguments)
    try:
        options = PipelineOptions([f"--runner={_LOCAL_RUNNER}", *arguments])
        _parser(options)
    except SystemExit:  # Of argparse, which has said why.
        raise UserError(
            f"Apache Beam does not understand --beam_options={' '.join(arguments)!r}."
        ) from None
    return options


def check_options(arguments: Iterable[str]) -> None:
    """Looks at the options of a pipeline before the work: Beam ignores those that it does not know.

    A job server may have options of its own. Where the pipeline goes to one, a warning names what
    only the server can know.

    Raises:
        UserError: Beam does not understand the options, or does not know one.
    """
    options = parse_options(arguments)
    unknown = " ".join(_parser(options).parse_known_args(list(arguments))[1])
    runner = str(options.view_as(StandardOptions).runner).rpartition(".")[2]
    if unknown and runner.lower() not in _WITH_A_SERVER:
        raise UserError(
            f"Apache Beam knows no such option in --beam_options: {unknown}. Correct it, or leave "
            "it out."
        )
    if unknown:
        absl_logging.warning("Only the server of %s may know %s.", runner, unknown)


def _parser(options: PipelineOptions) -> argparse.ArgumentParser:
    """The parser of all options that Beam knows, which has read these."""
    parsers: list[argparse.ArgumentParser] = []
    options.get_all_options(add_extra_args_fn=parsers.append)
    return parsers[0]


def is_local(options: PipelineOptions) -> bool:
    """Whether a pipeline runs in the process that starts it."""
    return options.view_as(StandardOptions).runner == _LOCAL_RUNNER


def video_text(item: Item) -> str:
    """A video, or a part of one, as an element of `MeasureVideos`: its path and times as JSON."""
    return json.dumps([item.path, item.start, item.end])


class MakeShards(beam.PTransform):
    """Makes shards, named by the elements.

    Args:
        settings: of the features.
        num_threads: those that TensorFlow may use in a worker; 0 leaves that to it.
        folder: of the shards, of what they are to hold, and of the whitening.
        num_kept: values of a vector behind the whitening.
    """

    def __init__(self, settings: FeatureSettings, num_threads: int, folder: str, num_kept: int):
        super().__init__()
        self._dofn = _MakeShard(settings, num_threads, folder, num_kept)

    def expand(self, pcoll: beam.PCollection) -> beam.PCollection:
        """Adds the steps to a pipeline."""
        return pcoll | "Deal out" >> _DealOut() | "Make shards" >> beam.ParDo(self._dofn)


class MeasureVideos(beam.PTransform):
    """Writes a file of the moments of the vectors of some frames of videos, see `video_text`.

    Args:
        settings, num_threads: as in `MakeShards`.
        folder: where it tells how many videos it measured.
        of_pairs: see `whitening.Moments`.
        output_file: an .npz; none is written where no video can be decoded.
    """

    def __init__(
        self,
        settings: FeatureSettings,
        num_threads: int,
        folder: str,
        of_pairs: bool,
        output_file: str,
    ):
        super().__init__()
        self._measure = _MeasureVideo(settings, num_threads, folder, of_pairs)
        self._save = _SaveMoments(output_file)

    def expand(self, pcoll: beam.PCollection) -> beam.PCollection:
        """Adds the steps to a pipeline."""
        return (
            pcoll
            | "Deal out" >> _DealOut()
            | "Measure" >> beam.ParDo(self._measure)
            | "Merge" >> beam.CombineGlobally(_Merge())
            | "Save" >> beam.ParDo(self._save)
        )


class _DealOut(beam.PTransform):
    """Makes a group of each element: groups are what runners deal out to workers."""

    def expand(self, pcoll: beam.PCollection) -> beam.PCollection:
        pairs = pcoll | "Pair" >> beam.Map(lambda element: (element, True))
        return pairs | "Group" >> beam.GroupByKey() | "Unpair" >> beam.Keys()


class _UsesNetworks(beam.DoFn):
    """Builds the networks once in each worker."""

    def __init__(self, settings: FeatureSettings, num_threads: int):
        super().__init__()
        self._settings = settings
        self._num_threads = num_threads

    def setup(self) -> None:
        if self._num_threads:
            tf.config.threading.set_intra_op_parallelism_threads(self._num_threads)
            tf.config.threading.set_inter_op_parallelism_threads(1)
            for device in tf.config.list_physical_devices("GPU"):
                tf.config.experimental.set_memory_growth(device, True)
        self._networks = networks.load(self._settings)


class _MakeShard(_UsesNetworks):
    def __init__(self, settings: FeatureSettings, num_threads: int, folder: str, num_kept: int):
        super().__init__(settings, num_threads)
        self._folder = folder
        self._num_kept = num_kept

    def setup(self) -> None:
        super().setup()
        whiten = whitening.load(self._folder, self._networks.frame_size, self._num_kept)
        self._extractor = Extractor(self._settings, self._networks, whiten)

    def process(self, element: str) -> None:
        shards.write(self._folder, element, self._extractor)


class _MeasureVideo(_UsesNetworks):
    def __init__(self, settings: FeatureSettings, num_threads: int, folder: str, of_pairs: bool):
        super().__init__(settings, num_threads)
        self._folder = folder
        self._of_pairs = of_pairs

    def process(self, element: str) -> Iterator[Moments]:
        """Measures one video; one that cannot be decoded is reported when its shard is made."""
        shards.tell_measured(self._folder)
        try:
            path, *times = json.loads(element)
            vectors = embed_some_frames(
                path, self._settings, self._networks, _FRAMES_OF_A_VIDEO, Span(*times)
            )
        except VideoError:
            return
        yield Moments.of(vectors, self._of_pairs)


class _Merge(beam.CombineFn):
    """Adds up the moments of many videos; None where there are none."""

    def create_accumulator(self) -> Moments | None:
        return None

    def add_input(self, accumulator: Moments | None, element: Moments) -> Moments:
        return element if accumulator is None else accumulator.merge(element)

    def merge_accumulators(self, accumulators: Iterable[Moments | None]) -> Moments | None:
        return whitening.merge(accumulators)

    def extract_output(self, accumulator: Moments | None) -> Moments | None:
        return accumulator


class _SaveMoments(beam.DoFn):
    def __init__(self, output_file: str):
        super().__init__()
        self._output_file = output_file

    def process(self, element: Moments | None) -> None:
        if element is not None:
            element.save(self._output_file)
