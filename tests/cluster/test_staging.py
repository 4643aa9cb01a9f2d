"""Models brought to the hosts by S3-compatible storage."""

from __future__ import annotations

import os
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError

import pytest
import s3_server
from killed_runs import wait_until
from tiny_models import write_double

from autotune.cluster._bucket import Bucket
from autotune.cluster._staging import pack, unpack
from autotune.errors import UsageError
from autotune.repository import ModelRepository, ModelSpec

S3FileSystem = pytest.importorskip("pyarrow.fs").S3FileSystem


@pytest.fixture(scope="module")
def storage() -> Iterator[str]:
    process, url = s3_server.start()

    def makes_bucket() -> bool:
        try:
            with urllib.request.urlopen(urllib.request.Request(f"{url}/models", method="PUT")):  # noqa: S310 - our own
                return True
        except URLError:  # it is starting
            return False

    wait_until(makes_bucket)
    yield url
    process.terminate()
    process.wait()


@pytest.fixture(autouse=True)
def environment(storage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {"ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b", "ENDPOINT_URL": storage}.items():
        monkeypatch.setenv(f"AWS_{name}", value)


@pytest.fixture
def model(tmp_path: Path) -> ModelSpec:
    write_double(tmp_path / "models")
    return ModelRepository(tmp_path / "models").model("double")


def test_models_are_uploaded_once_and_arrive_as_they_are(model: ModelSpec, tmp_path: Path) -> None:
    stored, uploaded = Bucket.of("s3://models/team/").put(pack([model]))
    assert uploaded
    assert stored.path == f"models/team/{stored.digest}.tar"
    os.utime(model.path / "config.pbtxt", (time.time(), 1.0))  # the same content
    assert Bucket.of("s3://models/team").put(pack([model])) == (stored, False)

    arrived = unpack(stored, tmp_path / "host" / "repository")
    assert (arrived / "double" / "config.pbtxt").read_bytes() == (model.path / "config.pbtxt").read_bytes()
    assert (arrived / "double" / "1" / "model.py").read_bytes() == (model.path / "1" / "model.py").read_bytes()

    (model.path / "1" / "weights").write_bytes(b"1")
    assert Bucket.of("s3://models/team").put(pack([model]))[1]


def test_each_host_downloads_them_once(model: ModelSpec, tmp_path: Path) -> None:
    stored, _ = Bucket.of("s3://models").put(pack([model]))
    downloads: list[bytes] = []

    def fetch() -> bytes:
        downloads.append(stored())
        return downloads[-1]

    for _ in range(3):
        unpack(fetch, tmp_path / "host" / "repository")
    assert len(downloads) == 1


def test_an_object_with_other_content_than_its_name_says_is_refused(model: ModelSpec, storage: str) -> None:
    stored, _ = Bucket.of("s3://models/other").put(pack([model]))
    files = S3FileSystem(endpoint_override=storage, allow_delayed_open=True)
    with files.open_output_stream(stored.path) as stream:
        stream.write(b"other")
    with pytest.raises(UsageError, match=r"^--staging: s3://models/other/.* does not match the digest in its name"):
        stored()


@pytest.mark.parametrize(
    ("url", "endpoint", "line"),
    [
        (
            "s3://missing",
            None,
            r"^--staging: cannot write s3://missing at http://.*; check the bucket",
        ),
        ("s3://models", "http://127.0.0.1:9", r"^--staging: cannot read s3://models at http://127.0.0.1:9 \(NETWORK"),
    ],
)
def test_a_bucket_that_cannot_be_reached_is_refused_in_one_line_soon(
    monkeypatch: pytest.MonkeyPatch, url: str, endpoint: str | None, line: str
) -> None:
    if endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    begun = time.monotonic()
    with pytest.raises(UsageError, match=line) as error:
        Bucket.of(url).put(b"archive")
    assert "\n" not in str(error.value)
    assert time.monotonic() - begun < 15
