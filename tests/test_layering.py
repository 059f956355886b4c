"""Imports point one way: tools -> yt8m -> frame_models -> video_models -> keras."""

import ast
import sys
import textwrap
from pathlib import Path

import pytest
from paths import ROOT

# What each package may import of the packages named here.
MAY_IMPORT = {
    "video_models": set(),
    "frame_models": {"video_models"},
    "yt8m": {"video_models", "frame_models", "tensorflow"},
    "tools": {"video_models", "frame_models", "yt8m", "tensorflow"},
}
RESTRICTED = {*MAY_IMPORT, "tensorflow"}
# The floors of `yt8m`, from the top. A file imports from floors below its own and from its own
# room; the rooms of one floor do not know each other. `jobs` are the files that stand in yt8m/.
FLOORS = (
    ("jobs",),
    ("training", "ensembling", "interpretation", "conversion", "prediction"),
    ("submissions",),
    ("evaluation",),
    ("fusion", "inputs", "serving", "extraction"),
    ("runs",),
    ("metrics", "modeling"),
    ("frame_models",),
    ("video_models", "data"),
    ("base",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
# The parts of yt8m that work on every backend, without TensorFlow.
WITHOUT_TENSORFLOW = (
    "yt8m/base/archives.py",
    "yt8m/base/catalogue.py",
    "yt8m/base/errors.py",
    "yt8m/base/files.py",
    "yt8m/base/json_files.py",
    "yt8m/base/watchdog.py",
    "yt8m/base/spec_language.py",
    "yt8m/base/temporaries.py",
    "yt8m/base/text_files.py",
    *(
        f"yt8m/conversion/{name}.py"
        for name in (
            *("c3d_weights", "caffe_layout", "cnn_m_weights", "i3d_weights", "networks"),
            *("slim_weights", "tf1_weights", "weight_places"),
            *("weight_files/arrays", "weight_files/caffe_model", "weight_files/pickles"),
            "weight_files/torch_state",
        )
    ),
    "yt8m/data/__init__.py",
    "yt8m/data/class_names.py",
    "yt8m/data/ids.py",
    "yt8m/data/labels.py",
    "yt8m/data/schema.py",
    "yt8m/data/segment_classes.py",
    *(
        f"yt8m/data/video/{name}.py"
        for name in (
            "clips",
            "clip_stream",
            "sampling",
            "spans",
            "clip_schema",
            "clip_specs",
            "workers",
            "frames/clocks",
            "frames/containers",
            "frames/decoded_frames",
            "frames/decoding",
            "frames/flow",
            "frames/flow_cache",
            "frames/record_frames",
            "frames/shots",
            "frames/sound",
            "frames/timeline",
            "frames/views",
            *(
                f"sources/annotations/{name}"
                for name in (
                    *("activitynet", "catalogue", "charades", "hmdb51", "kinetics", "lists"),
                    *("matching", "something_something", "sports1m"),
                )
            ),
            "sources/class_folders",
            "sources/file_index",
            "sources/folders",
            "sources/grouped_splits",
            "sources/manifest",
            "sources/manifest_writing",
            "sources/pattern",
            "sources/ucf101",
        )
    ),
    *(
        f"yt8m/ensembling/{name}.py"
        for name in ("fitting", "index", "methods", "pairs", "segments", "videos")
    ),
    "yt8m/fusion",
    "yt8m/metrics",
    "yt8m/modeling",
    "yt8m/runs.py",
    "yt8m/serving/packing.py",
    "yt8m/serving/quantized_weights.py",
    "yt8m/submissions/predictions.py",
    "yt8m/submissions/segment_file.py",
    "yt8m/submissions/top_segments.py",
    "yt8m/submissions/video_file.py",
    "yt8m/training/averages.py",
    "yt8m/training/checkpoints.py",
    "yt8m/training/fine_tuning.py",
    "yt8m/training/optimizers.py",
    "yt8m/training/schedules.py",
    "yt8m/training/targets.py",
    "yt8m/training/trainer.py",
    "yt8m/training/transfer.py",
    "yt8m/training/variable_rates.py",
)


def room_of(module: str) -> str:
    """The room of FLOORS that a module of this project stands in."""
    parts = module.split(".")
    if parts[0] != "yt8m":
        return parts[0]
    return parts[1] if len(parts) > 1 and parts[1] in FLOOR else "jobs"


# Functions that import a module by its name.
IMPORTERS = ("import_module", "import_extra", "run_module")
# The command of earlier versions, which is kept: it is the job, and imports it when it is run.
MAY_POINT_UP = {("yt8m.data.synthetic", "yt8m.synthetic")}


def imported_modules(module: str, source: str) -> set[str]:
    """The modules of this project that a file imports, wherever in it, by their full names."""
    modules = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -node.level] if node.level else []
            parent = ".".join(filter(None, [*above, node.module]))
            modules |= {f"{parent}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = getattr(node.func, "attr", getattr(node.func, "id", None))
            modules |= {node.args[0].value} if called in IMPORTERS else set()
    return {name for name in modules if name.split(".")[0] in MAY_IMPORT}


def upward_imports(module: str, source: str) -> list[str]:
    """What a module of yt8m imports from its own floor or from above, but for its own room."""
    own = room_of(module)
    return sorted(
        name
        for name in imported_modules(module, source)
        if name != "yt8m.__version__"
        and (module, name) not in MAY_POINT_UP
        and FLOOR[room_of(name)] <= FLOOR[own]
        and (room_of(name) != own or own == "jobs")
    )


def module_of(path: Path) -> str:
    """The name of the module in a file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", sorted((ROOT / "yt8m").rglob("*.py")), ids=module_of)
def test_no_import_points_up(path):
    assert upward_imports(module_of(path), path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("module", "statement"),
    [
        ("yt8m.data.reader", "from yt8m import runs"),
        ("yt8m.data.video.clips", "def f():\n    import yt8m.modeling.losses"),
        ("yt8m.base.files", "from yt8m.data import schema"),
        ("yt8m.evaluation.clips", "from yt8m.submissions import video_file"),
        ("yt8m.metrics.views", "from yt8m.modeling import losses"),
        ("yt8m.eval", "from yt8m import train"),
        ("yt8m.data.reader", "from .. import runs"),
        ("yt8m.data.video.clips", "from ...training import loop"),
        ("yt8m.base.files", "importlib.import_module('yt8m.runs')"),
        ("yt8m.inputs.clips", "jobs.import_extra('yt8m.training.clips', 'video')"),
    ],
)
def test_an_import_that_points_up_is_seen(module, statement):
    assert len(upward_imports(module, statement)) == 1


# Where flags are read: what they say goes on as values.
MAY_READ_FLAGS = ("yt8m/base/jobs.py", "yt8m/inputs/flags.py")


def places_that_read_flags(source: str, is_job: bool) -> list[int]:
    """The lines that name FLAGS, but for those in the function `main` of a job."""
    tree = ast.parse(source)
    mains = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "main" and is_job]
    allowed = {id(node) for main in mains for node in ast.walk(main)}
    names = [
        node
        for node in ast.walk(tree)
        if (isinstance(node, ast.Attribute) and node.attr == "FLAGS")
        or (isinstance(node, ast.Name) and node.id == "FLAGS")
        or (isinstance(node, ast.alias) and node.name == "FLAGS")
    ]
    return [node.lineno for node in names if id(node) not in allowed]


@pytest.mark.parametrize("path", sorted((ROOT / "yt8m").rglob("*.py")), ids=module_of)
def test_flags_are_read_in_main_alone(path):
    name = path.relative_to(ROOT).as_posix()
    if name in MAY_READ_FLAGS:
        return
    is_job = room_of(module_of(path)) == "jobs"
    assert places_that_read_flags(path.read_text(encoding="utf-8"), is_job) == []


def test_flags_read_elsewhere_are_seen():
    source = "def main():\n    x = flags.FLAGS\n\ndef other():\n    return flags.FLAGS.x"
    assert places_that_read_flags(source, is_job=True) == [5]
    assert places_that_read_flags(source, is_job=False) == [2, 5]


def test_every_folder_of_yt8m_stands_on_a_floor():
    folders = {path.name for path in (ROOT / "yt8m").iterdir() if (path / "__init__.py").exists()}
    assert folders == set(FLOOR) - {"jobs", "runs", "frame_models", "video_models"}


def imported_packages(path: Path) -> set[str]:
    """The top-level packages that a file imports, wherever in it."""
    packages = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            packages |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            packages.add(node.module.split(".")[0])
    return packages


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_point_one_way(package):
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        received = imported_packages(path) & RESTRICTED - {package}
        assert received <= MAY_IMPORT[package], f"{path} imports {received}"


@pytest.mark.parametrize("package", ["video_models", "frame_models"])
def test_model_packages_need_nothing_but_keras_and_numpy(package):
    allowed = {"keras", "numpy", "video_models", "frame_models", *sys.stdlib_module_names}
    for path in sorted((ROOT / package).rglob("*.py")):
        assert imported_packages(path) <= allowed, path


@pytest.mark.parametrize("name", WITHOUT_TENSORFLOW)
def test_no_tensorflow_where_every_backend_must_work(name):
    path = ROOT / name
    assert path.exists()
    for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
        assert "tensorflow" not in imported_packages(file), file


SCRIPT = """
    import sys

    import keras
    import numpy as np

    from yt8m import metrics, runs
    from yt8m.data.schema import Feature, Schema
    from yt8m.ensembling import videos
    from yt8m.fusion import methods
    from yt8m.modeling import keras_model, losses, specs
    from yt8m.submissions import segment_file, video_file
    from yt8m.training import checkpoints, optimizers
    from yt8m.training.trainer import Trainer

    assert keras.config.backend() == "jax"
    runs.register_layers()
    schema = Schema("frame", (Feature("rgb", 6, "uint8", "rgb"),))
    config = runs.RunConfig("average", schema, 5, {}, "cross_entropy", {}, {})
    runs.start(sys.argv[1], config)
    model = keras_model.build(specs.model("average(head=moe)"), schema, 5)
    trainer = Trainer(model, 5, losses.CrossEntropy(), metrics.StreamingGAP())
    trainer.compile(optimizer=optimizers.get("adam", 0.1))
    inputs = {"rgb": np.ones((4, 3, 6), "uint8"), "num_frames": np.array([1, 2, 3, 3])}
    labels = np.array([[0, -1], [1, 2], [3, -1], [-1, -1]])
    before = trainer.train_on_batch(inputs, labels, return_dict=True)["loss_mean"]
    for _ in range(20):
        after = trainer.train_on_batch(inputs, labels, return_dict=True)["loss_mean"]
    assert after < before
    runs.save_model(sys.argv[1], keras_model.classifier(model))
    checkpoints.save(sys.argv[1], trainer, {"step": 21})
    assert checkpoints.restore(sys.argv[1], trainer) == {"step": 21}
    run = runs.load(sys.argv[1])
    scores = np.asarray(run.model.predict_on_batch(inputs))
    state = metrics.Evaluation(5)
    state.update(scores, np.eye(5, dtype=bool)[:4])
    assert 0 <= state.result()["gap"] <= 1
    assert "tensorflow" not in sys.modules
    print("done")
"""


def test_models_metrics_losses_and_runs_work_on_jax_without_tensorflow(tmp_path, jax_process):
    assert jax_process.run(textwrap.dedent(SCRIPT), tmp_path / "run") == "done\n"
