"""Archives of runs, of files that somebody packed anew."""

import shutil
import tarfile
import zipfile

from paths import GOLDEN

from yt8m.serving import packing, quantized_weights


def test_a_model_without_metadata_is_packed(tmp_path):
    """Keras loads one, too."""
    shutil.copytree(GOLDEN / "saved_runs" / "tensorflow", tmp_path / "run")
    path = tmp_path / "run" / "model.keras"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    del members["metadata.json"]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    packed = str(tmp_path / "a.tgz")
    packing.pack(packed, str(tmp_path / "run"), quantized_weights.FLOAT16)
    with tarfile.open(packed) as archive:
        assert sorted(archive.getnames()) == ["a/model.keras", "a/run.json"]
