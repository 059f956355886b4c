"""Imports point one way: tools -> yt8m -> frame_models -> video_models -> keras."""

import ast
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# What each package may import of the packages named here.
MAY_IMPORT = {
    "video_models": set(),
    "frame_models": {"video_models"},
    "yt8m": {"video_models", "frame_models", "tensorflow"},
    "tools": {"video_models", "frame_models", "yt8m", "tensorflow"},
}
RESTRICTED = {*MAY_IMPORT, "tensorflow"}
# The parts of yt8m that work on every backend, without TensorFlow.
WITHOUT_TENSORFLOW = (
    "yt8m/averages.py",
    "yt8m/checkpoints.py",
    "yt8m/ensembling/fitting.py",
    "yt8m/ensembling/index.py",
    "yt8m/ensembling/methods.py",
    "yt8m/ensembling/pairs.py",
    "yt8m/ensembling/segments.py",
    "yt8m/ensembling/videos.py",
    "yt8m/errors.py",
    "yt8m/fine_tuning.py",
    "yt8m/fusing.py",
    "yt8m/layer_graph.py",
    "yt8m/npz.py",
    "yt8m/view_evaluation.py",
    "yt8m/view_scores.py",
    "yt8m/labels.py",
    "yt8m/losses.py",
    "yt8m/metrics",
    "yt8m/modeling.py",
    "yt8m/optimizers.py",
    "yt8m/serving/packing.py",
    "yt8m/predictions.py",
    "yt8m/preprocessing.py",
    "yt8m/serving/quantization.py",
    "yt8m/runs.py",
    "yt8m/score_losses.py",
    "yt8m/segment_submission.py",
    "yt8m/specs.py",
    "yt8m/submission.py",
    "yt8m/top_segments.py",
    "yt8m/transfer.py",
    "yt8m/serving/vocabulary.py",
    "yt8m/data/__init__.py",
    "yt8m/data/schema.py",
    *(
        f"yt8m/data/video/{name}.py"
        for name in (
            "clips",
            "containers",
            "decoding",
            "flow",
            "flow_cache",
            "folders",
            "index",
            "manifest",
            "pattern",
            "record_frames",
            "sampling",
            "schema",
            "settings",
            "shots",
            "temporaries",
            "ucf101",
            "views",
            "workers",
        )
    ),
)


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

    class Blocked:
        def find_spec(self, name, path=None, target=None):
            if name.split(".")[0] in ("tensorflow", "tensorboard"):
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    sys.meta_path.insert(0, Blocked())

    import keras
    import numpy as np

    from yt8m import checkpoints, losses, metrics, modeling, optimizers, runs, specs, submission
    from yt8m.data.schema import Feature, Schema

    assert keras.config.backend() == "jax"
    runs.register_layers()
    schema = Schema("frame", (Feature("rgb", 6, "uint8", "rgb"),))
    config = runs.RunConfig("average", schema, 5, {}, "cross_entropy", {}, {})
    runs.start(sys.argv[1], config)
    model = modeling.build(specs.model("average(head=moe)"), schema, 5)
    trainer = modeling.Trainer(model, 5, losses.CrossEntropy(), metrics.StreamingGAP())
    trainer.compile(optimizer=optimizers.get("adam", 0.1))
    inputs = {"rgb": np.ones((4, 3, 6), "uint8"), "num_frames": np.array([1, 2, 3, 3])}
    labels = np.array([[0, -1], [1, 2], [3, -1], [-1, -1]])
    before = trainer.train_on_batch(inputs, labels, return_dict=True)["loss_mean"]
    for _ in range(20):
        after = trainer.train_on_batch(inputs, labels, return_dict=True)["loss_mean"]
    assert after < before
    runs.save_model(sys.argv[1], modeling.classifier(model))
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


def test_models_metrics_losses_and_runs_work_on_jax_without_tensorflow(tmp_path):
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), str(tmp_path / "run")],
        capture_output=True,
        text=True,
        env=os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert result.stdout == "done\n", result.stderr[-3000:]
