# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Every encoding against cv_bridge or OpenCV, every way a frame can be broken, by reason."""

from __future__ import annotations

import threading
from array import array

import cv2
import numpy as np
import pytest

from triton_ros.core.tensor import Array, TensorSource, materialize
from triton_ros.vision.image import ENCODINGS, REASONS, Image, ImageError

PACKED = {
    "rgb8": lambda rgb: rgb,
    "bgr8": lambda rgb: cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR),
    "8UC3": lambda rgb: cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR),
    "rgba8": lambda rgb: cv2.cvtColor(rgb, cv2.COLOR_RGB2RGBA),
    "bgra8": lambda rgb: cv2.cvtColor(rgb, cv2.COLOR_RGB2BGRA),
    "8UC4": lambda rgb: cv2.cvtColor(rgb, cv2.COLOR_RGB2BGRA),
}
GRAY = ("mono8", "8UC1")
ROS_ENCODINGS = {
    "yuv422": "yuv422",
    "uyvy": "yuv422",
    "bayer_rggb8": "bayer_rggb8",
    "bayer_bggr8": "bayer_bggr8",
    "bayer_gbrg8": "bayer_gbrg8",
}


def padded(rows: Array, padding: int) -> tuple[bytes, int]:
    """The bytes of rows with rubbish after each, and the step."""
    flat = np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), -1)
    rubbish = np.full((len(rows), padding), 0xAB, np.uint8)
    return np.hstack([flat, rubbish]).tobytes(), flat.shape[1] + padding


@pytest.mark.parametrize("padding", [0, 1, 7])
@pytest.mark.parametrize("encoding", sorted(PACKED))
def test_packed_colour(picture: Array, encoding: str, padding: int) -> None:
    data, step = padded(PACKED[encoding](picture), padding)
    image = Image.raw(data, 48, 64, encoding, step)
    assert np.array_equal(image.pixels("rgb"), picture)
    assert np.array_equal(image.pixels("bgr"), picture[..., ::-1])
    gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    assert np.abs(image.pixels("gray").astype(int) - gray).max() <= 1


@pytest.mark.parametrize("encoding", GRAY)
def test_gray(picture: Array, encoding: str) -> None:
    plane = np.ascontiguousarray(picture[..., 1])
    data, step = padded(plane, 3)
    image = Image.raw(data, 48, 64, encoding, step)
    assert np.array_equal(image.pixels("gray"), plane)
    assert np.array_equal(image.pixels("rgb"), np.repeat(plane[..., None], 3, axis=2))


@pytest.mark.parametrize("is_bigendian", [False, True])
@pytest.mark.parametrize("padding", [0, 2])
def test_mono16_scales_65535_to_255_in_either_byte_order(padding: int, is_bigendian: bool) -> None:
    values = np.array([[0, 257, 32768, 65535], [128, 129, 65407, 50115]], np.uint16)
    data, step = padded(values.astype(">u2" if is_bigendian else "<u2"), padding)
    image = Image.raw(data, 2, 4, "mono16", step, is_bigendian)
    assert image.pixels("gray").tolist() == [[0, 1, 128, 255], [0, 1, 255, 195]]


@pytest.mark.parametrize("padding", [0, 4])
@pytest.mark.parametrize("encoding", sorted(ROS_ENCODINGS))
def test_encodings_as_cv_bridge_has_them(encoding: str, padding: int) -> None:
    boost = pytest.importorskip("cv_bridge.boost.cv_bridge_boost")
    channels = 2 if ROS_ENCODINGS[encoding] == "yuv422" else 1
    shape = (16, 20, channels) if channels == 2 else (16, 20)
    stored = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    data, step = padded(stored, padding)
    expected = boost.cvtColor2(stored, ROS_ENCODINGS[encoding], "rgb8")
    assert np.array_equal(Image.raw(data, 16, 20, encoding, step).pixels("rgb"), expected)


@pytest.mark.parametrize(
    ("encoding", "first"), [("bayer_rggb8", 0), ("bayer_bggr8", 2), ("bayer_grbg8", 1)]
)
def test_bayer_patterns_are_named_by_their_first_row(encoding: str, first: int) -> None:
    """A purely red, green or blue scene lights only the pattern's own pixels."""
    letters = np.array([list(encoding[6:8]), list(encoding[8:10])])
    for channel, letter in enumerate("rgb"):
        mosaic = np.tile(np.where(letters == letter, 200, 0), (8, 8)).astype(np.uint8)
        middle = Image.raw(mosaic, 16, 16, encoding).pixels("rgb")[4:12, 4:12]
        assert middle[..., channel].mean() > 150
        assert np.delete(middle, channel, axis=2).max() == 0
    assert "rgb"[first] == encoding[6]


@pytest.mark.parametrize(("encoding", "y_first"), [("yuv422_yuy2", True), ("uyvy", False)])
def test_yuv_luma_position(encoding: str, y_first: bool) -> None:
    stored = np.full((4, 8, 2), 128, np.uint8)
    stored[..., 0 if y_first else 1] = 235
    assert Image.raw(stored, 4, 8, encoding).pixels("rgb").min() == 255


@pytest.mark.parametrize(("encoding", "first"), [("nv12", "u"), ("nv21", "v")])
@pytest.mark.parametrize("padding", [0, 6])
def test_planes_of_luma_and_chroma(encoding: str, first: str, padding: int) -> None:
    """A blue picture: much of U, little of V."""
    rows = np.full((24, 32), 100, np.uint8)
    rows[16:, 0::2], rows[16:, 1::2] = (220, 90) if first == "u" else (90, 220)
    data, step = padded(rows, padding)
    blue = Image.raw(data, 16, 32, encoding, step).pixels("rgb").astype(int)
    assert blue.shape == (16, 32, 3)
    assert (blue[..., 2] > blue[..., 0] + 100).all()
    code = cv2.COLOR_YUV2RGB_NV12 if first == "u" else cv2.COLOR_YUV2RGB_NV21
    assert np.array_equal(blue, cv2.cvtColor(rows, code))
    with pytest.raises(ImageError, match="must be even"):
        Image.raw(data, 15, 32, encoding, step)


@pytest.mark.parametrize("is_bigendian", [False, True])
@pytest.mark.parametrize("encoding", ["rgb16", "bgr16", "rgba16", "bgra16", "bayer_rggb16"])
def test_sixteen_bits_are_seen_as_their_high_ones(encoding: str, is_bigendian: bool) -> None:
    channels = {"rgb": 3, "bgr": 3, "rgba": 4, "bgra": 4}.get(encoding[:-2], 1)
    low = np.random.default_rng(2).integers(0, 256, (8, 10, channels), np.uint8)
    wide = (low.astype(np.uint16) * 257).astype(">u2" if is_bigendian else "<u2")
    data, step = padded(wide, 2)
    image = Image.raw(data, 8, 10, encoding, step, is_bigendian)
    narrow = Image.raw(low, 8, 10, encoding.replace("16", "8"))
    assert np.array_equal(image.pixels("rgb"), narrow.pixels("rgb"))


def test_every_encoding_can_be_seen() -> None:
    size = 8 * 8 * 4
    for encoding in ENCODINGS:
        for bytes_per_pixel in (1, 1.5, 2, 3, 4, 6, 8):
            data = bytes(int(8 * 8 * bytes_per_pixel))
            try:
                image = Image.raw(data, 8, 8, encoding, None)
            except ImageError:
                continue
            assert image.pixels("rgb").shape == (8, 8, 3)
            assert image.pixels("bgr").shape == (8, 8, 3)
            break
        else:
            pytest.fail(f"{encoding} fits no pixel of up to {size} bytes")


def test_a_raw_frame_is_a_view(picture: Array) -> None:
    data = bytearray(picture.tobytes())
    image = Image.raw(data, 48, 64, "rgb8")
    data[:3] = b"\x01\x02\x03"
    assert image.pixels("rgb")[0, 0].tolist() == [1, 2, 3]
    assert np.shares_memory(image.pixels("rgb"), np.frombuffer(data, np.uint8))


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, "array", "ndarray"])
def test_any_buffer_will_do(picture: Array, kind: object) -> None:
    data: object = picture.tobytes()
    if kind == "array":
        data = array("B", picture.tobytes())
    elif kind == "ndarray":
        data = np.frombuffer(picture.tobytes(), np.uint8)
    elif kind is not bytes:
        data = kind(bytearray(picture.tobytes()))  # type: ignore[operator]
    assert np.array_equal(Image.raw(data, 48, 64, "rgb8").pixels("rgb"), picture)


def test_the_last_row_may_lack_its_padding(picture: Array) -> None:
    data, step = padded(picture, 5)
    image = Image.raw(data[:-5], 48, 64, "rgb8", step)
    assert np.array_equal(image.pixels("rgb"), picture)


@pytest.mark.parametrize(
    ("data", "height", "width", "encoding", "step", "reason", "words"),
    [
        (
            bytes(64),
            4,
            4,
            "32FC3",
            None,
            "unsupported_encoding",
            "'32FC3' is not one of rgb8, bgr8",
        ),
        (bytes(64), 4, 4, "", None, "unsupported_encoding", "'' is not one of"),
        (b"", 4, 4, "rgb8", None, "empty", "without data"),
        (b"", 0, 0, "rgb8", None, "empty", "0x0"),
        (bytes(48), 0, 4, "rgb8", 12, "empty", "4x0"),
        (bytes(48), -4, 4, "rgb8", 12, "bad_size", "4x-4"),
        (bytes(47), 4, 4, "rgb8", 12, "bad_size", "47 bytes of data .* expected 48"),
        (bytes(60), 4, 4, "rgb8", 12, "bad_size", "60 bytes of data .* expected 48"),
        (bytes(48), 4, 4, "rgb8", 11, "bad_step", "step 11 .* must be 12 or more"),
        (bytes(48), 4, 4, "rgb8", 0, "bad_step", "step 0"),
        (bytes(36), 4, 4, "mono16", 9, "bad_step", "multiple of 2"),
        (bytes(40), 4, 5, "yuv422", 10, "bad_size", "width 5 .* must be even"),
        (bytes(40000), 1, 40000, "mono8", None, "bad_size", "accepted: 1 to 32766"),
    ],
)
def test_broken_raw_frames(
    data: bytes,
    height: int,
    width: int,
    encoding: str,
    step: int | None,
    reason: str,
    words: str,
) -> None:
    with pytest.raises(ImageError, match=words) as caught:
        Image.raw(data, height, width, encoding, step)
    assert caught.value.reason == reason
    assert reason in REASONS
    assert caught.value.within("stream 'front'").reason == reason  # type: ignore[attr-defined]


@pytest.mark.parametrize("extension", [".jpg", ".png"])
def test_compressed_frames(picture: Array, extension: str) -> None:
    data = cv2.imencode(extension, picture[..., ::-1])[1].tobytes()
    image = Image.compressed(data, "rgb8; jpeg compressed bgr8")
    assert image.shape == (48, 64, 3)
    assert np.abs(image.pixels("rgb").astype(int) - picture).max() <= (
        20 if "j" in extension else 0
    )
    assert image.encoding == {".jpg": "jpeg", ".png": "png"}[extension]


def test_gray_jpeg(picture: Array) -> None:
    data = cv2.imencode(".jpg", picture[..., 0])[1]
    image = Image.compressed(data, "mono8; jpeg compressed mono8")
    assert np.array_equal(image.pixels("rgb")[..., 0], image.pixels("rgb")[..., 2])


def test_an_orientation_tag_does_not_turn_the_pixels(picture: Array) -> None:
    data = cv2.imencode(".jpg", picture[..., ::-1])[1].tobytes()
    tag = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    exif = b"Exif\0\0" + tag
    turned = data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:]
    assert cv2.imdecode(np.frombuffer(turned, np.uint8), 1).shape == (64, 48, 3)
    assert Image.compressed(turned, "jpeg").pixels("rgb").shape == (48, 64, 3)


def test_decoding_happens_once_and_late(picture: Array, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    decode = cv2.imdecode
    monkeypatch.setattr(cv2, "imdecode", lambda *a: (calls.append(1), decode(*a))[1])
    image = Image.compressed(cv2.imencode(".png", picture)[1], "png")
    assert not calls
    start = threading.Barrier(4)

    def look() -> None:
        start.wait(10)
        image.pixels("rgb")

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(calls) == 1
    assert image.pixels("rgb") is image.pixels("rgb")


@pytest.mark.parametrize(
    ("data", "format", "reason"),
    [
        (b"", "jpeg", "empty"),
        (b"GIF89a" + bytes(40), "gif", "undecodable"),
        (b"\xff\xd8", "jpeg", "undecodable"),
        (b"\xff\xd8\xff\xd9", "jpeg", "undecodable"),
        (b"\x89PNG\r\n\x1a\n", "png", "undecodable"),
        (bytes(64), "16UC1; compressedDepth png", "undecodable"),
        (bytes(64), "rgb8; compressedDepth png", "unsupported_encoding"),
        (bytes(12), "16UC1; compressedDepth png", "undecodable"),
        (bytes(15), "16UC1; compressedDepth rvl", "undecodable"),
        (bytes(64), "32FC1; compressedDepth rvl", "empty"),
    ],
)
def test_broken_compressed_frames(data: bytes, format: str, reason: str) -> None:
    with pytest.raises(ImageError) as caught:
        Image.compressed(data, format)
    assert caught.value.reason == reason


@pytest.mark.parametrize("extension", [".jpg", ".png"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_truncated_frames_are_refused(picture: Array, extension: str, share: float) -> None:
    data = cv2.imencode(extension, picture)[1].tobytes()
    with pytest.raises(ImageError) as caught:
        Image.compressed(data[: int(len(data) * share)], "jpeg")
    assert caught.value.reason == "undecodable"


def test_a_right_header_with_broken_pixels_fails_when_decoded(picture: Array) -> None:
    data = bytearray(cv2.imencode(".png", picture)[1].tobytes())
    data[60:-20] = bytes(len(data) - 80)
    image = Image.compressed(data, "png")
    for _ in range(2):
        with pytest.raises(ImageError, match="64x48") as caught:
            image.pixels("bgr")
        assert caught.value.reason == "undecodable"


def test_an_image_is_a_tensor_source(picture: Array) -> None:
    image = Image.raw(picture[..., ::-1].tobytes(), 48, 64, "bgr8")
    assert isinstance(image, TensorSource)
    assert image.shape == (48, 64, 3)
    assert np.array_equal(materialize(image), picture)
    batch = np.zeros((2, 50, 64, 3), np.uint8)
    image.write(batch[1, 1:49])
    assert np.array_equal(batch[1, 1:49], picture)
    assert not batch[0].any()
    planes = np.zeros((3, 48, 64), np.uint8)
    image.write(planes.transpose(1, 2, 0))
    assert np.array_equal(planes[2], picture[..., 2])


@pytest.mark.parametrize("cut", [np.s_[:, :], np.s_[:, 3:40], np.s_[::2], np.s_[:, ::-1]])
def test_from_array_takes_views(picture: Array, cut: tuple[slice, ...]) -> None:
    view = picture[cut]
    assert np.array_equal(Image.from_array(view).pixels("bgr"), view[..., ::-1])


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 4), (1, 4, 4, 3), (0, 4, 3)])
def test_from_array_refuses_other_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageError):
        Image.from_array(np.zeros(shape, np.uint8))
    with pytest.raises(ImageError, match="uint8"):
        Image.from_array(np.zeros((4, 4, 3), np.float32))
