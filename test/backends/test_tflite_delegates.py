# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Delegates by configuration; a real one is compiled here, which claims no operator."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_tflite
from toy_models import Toy, write_model

from triton_ros.backends.tflite import TfliteBackend, TfliteModel
from triton_ros.core.config.model_config import InstanceGroup, ModelConfig
from triton_ros.core.config.optimization_config import Accelerator, Optimization
from triton_ros.core.errors import ConfigError, UnsupportedError

X = np.arange(4, dtype=np.float32).reshape(1, 4)
SOURCE = """
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* TfLiteDelegate, as TFLite documents it for external delegates. */
typedef struct Delegate {
    void *data;
    int (*Prepare)(void *context, struct Delegate *delegate);
    void *copy_from, *copy_to, *free_handle;
    int64_t flags;
    void *opaque;
} Delegate;

static int Prepare(void *context, Delegate *delegate) { return 0; }

Delegate *tflite_plugin_create_delegate(
    char **keys, char **values, size_t count, void (*report)(const char *)) {
    for (size_t i = 0; i < count; i++) {
        if (keys[i][0] == '!') { report("no such option"); return NULL; }
        FILE *log = fopen(getenv("TOY_DELEGATE_LOG"), "a");
        fprintf(log, "%s=%s\\n", keys[i], values[i]);
        fclose(log);
    }
    Delegate *made = calloc(1, sizeof *made);
    made->Prepare = Prepare;
    return made;
}

void tflite_plugin_destroy_delegate(Delegate *delegate) { free(delegate); }
"""


def load(directory: Path, *accelerators: Accelerator, **fields: Any) -> TfliteModel:
    optimization = Optimization(cpu_execution_accelerator=accelerators)
    write_model(directory, Toy(toy_tflite.tflite_affine(), filename="model.tflite"))
    config = ModelConfig("toy", optimization=optimization, **fields)
    return TfliteBackend().load(config, directory / "1")


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A delegate in the version directory; it writes its options to ``log``."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler to make a delegate with")
    folder = tmp_path / "1"
    folder.mkdir()
    (tmp_path / "delegate.c").write_text(SOURCE)
    path = folder / "libtoy_delegate.so"
    command = [compiler, "-shared", "-fPIC", "-w", "-o", str(path), str(tmp_path / "delegate.c")]
    subprocess.run(command, check=True, timeout=60)
    monkeypatch.setenv("TOY_DELEGATE_LOG", str(tmp_path / "log"))
    return path


def test_an_external_delegate_gets_its_options_and_serves(tmp_path: Path, library: Path) -> None:
    parameters = {"library": library.name, "device": "3", "mode": "fast"}
    model = load(tmp_path, Accelerator("external", parameters))
    log = tmp_path / "log"
    for made in (1, 2):  # the first instance is the one that was tried when the model was read
        instance = model.instance(InstanceGroup(), 0)
        np.testing.assert_array_equal(instance.execute({"x": X})["y"], 2 * X + 1)
        assert log.read_text().splitlines() == ["device=3", "mode=fast"] * made


def test_a_delegate_that_refuses_its_options_says_why(tmp_path: Path, library: Path) -> None:
    wanted = Accelerator("external", {"library": library.name, "!": "x"})
    with pytest.raises(UnsupportedError, match=r"'external' cannot be loaded.*no such option"):
        load(tmp_path, wanted)


def test_a_delegate_that_is_not_installed_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"'edgetpu' cannot be loaded from libedgetpu"):
        load(tmp_path, Accelerator("edgetpu"))


@pytest.mark.parametrize("name", ["", "absent.so", "../outside.so", "/lib/libc.so.6"])
def test_a_library_is_a_file_of_the_version(tmp_path: Path, name: str) -> None:
    (tmp_path / "outside.so").write_bytes(b"")
    with pytest.raises(ConfigError, match=rf"'library', a file in .*got '{name}'"):
        load(tmp_path, Accelerator("external", {"library": name}))


def test_an_unknown_accelerator_names_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'nnapi' is unknown.*armnn, edgetpu, external"):
        load(tmp_path, Accelerator("nnapi"))


def test_xnnpack_can_be_turned_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ai_edge_litert import interpreter  # noqa: PLC0415 (what is asked of the runtime)

    asked = []
    original = interpreter.Interpreter

    def recording(**arguments: Any) -> Any:
        asked.append(arguments["experimental_op_resolver_type"].name)
        return original(**arguments)

    monkeypatch.setattr(interpreter, "Interpreter", recording)
    load(tmp_path)
    load(tmp_path, parameters={"xnnpack": "0"})
    assert asked == ["AUTO", "BUILTIN_WITHOUT_DEFAULT_DELEGATES"]
    with pytest.raises(ConfigError, match=r"'xnnpack'.*0, 1.*'off'"):
        load(tmp_path, parameters={"xnnpack": "off"})
