"""Models in S3-compatible storage: uploaded once under the hash of their archive, downloaded once a host."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from autotune.errors import UsageError

_CONNECT_S = 5.0  # guess: a TCP connection within a data centre takes milliseconds
_REQUEST_S = 60.0  # guess: of a request that makes no progress
_ATTEMPTS = 2


@dataclass(frozen=True)
class Bucket:
    """A place for archives.

    Credentials come from where AWS's tools look for them: the environment, a profile or the machine's role.

    Attributes:
        url: Such as ``s3://bucket/prefix``.
        endpoint: URL of the service; empty for AWS itself.
        region: Its region; empty to let the client find it.
    """

    url: str
    endpoint: str = ""
    region: str = ""

    @classmethod
    def of(cls, url: str) -> Bucket:
        """The place as this process's environment says how to reach it."""
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or ""
        return cls(url.rstrip("/"), endpoint, region)

    def put(self, archive: bytes) -> tuple[Stored, bool]:
        """Uploads an archive unless it is there; returns where it is, and whether it was uploaded.

        Raises:
            UsageError: The storage cannot be reached or refuses it.
        """
        stored = Stored(self, hashlib.sha256(archive).hexdigest())
        files = self._files()
        try:
            with files.open_input_file(stored.path) as found:
                if found.size() == len(archive):
                    return stored, False
        except FileNotFoundError:
            pass
        except OSError as error:
            raise self._refused("read", error) from error
        try:
            with files.open_output_stream(stored.path) as stream:
                stream.write(archive)
        except OSError as error:
            raise self._refused("write", error) from error
        return stored, True

    def get(self, path: str) -> bytes:
        """Downloads an object.

        Raises:
            UsageError: It cannot be read.
        """
        try:
            with self._files().open_input_file(path) as stream:
                content: bytes = stream.readall()
        except OSError as error:
            raise self._refused("read", error) from error
        return content

    def _files(self) -> Any:
        try:
            from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem
        except ImportError as error:
            raise UsageError("--staging: s3 needs pyarrow; run pip install 'triton-autotune[s3]'") from error
        options: dict[str, Any] = {"region": self.region} if self.region else {}
        if self.endpoint:
            found = urlsplit(self.endpoint)
            options |= {"scheme": found.scheme, "endpoint_override": found.netloc, "region": self.region or "us-east-1"}
        return S3FileSystem(
            connect_timeout=_CONNECT_S,
            request_timeout=_REQUEST_S,
            allow_delayed_open=True,  # small archives in one request
            retry_strategy=AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
            **options,
        )

    def _refused(self, what: str, error: OSError) -> UsageError:
        at = f" at {self.endpoint}" if self.endpoint else ""
        said = " ".join(str(error).split()).rpartition("AWS Error ")[2]
        return UsageError(
            f"--staging: cannot {what} {self.url}{at} ({said}); check the bucket, the credentials and AWS_ENDPOINT_URL"
        )


@dataclass(frozen=True)
class Stored:
    """An archive in a bucket; calling it downloads it.

    Attributes:
        bucket: Where it is.
        digest: SHA-256 (hex) of the archive, which is its name.
    """

    bucket: Bucket
    digest: str

    @property
    def path(self) -> str:
        """Bucket and key."""
        return f"{self.bucket.url.removeprefix('s3://')}/{self.digest}.tar"

    def __call__(self) -> bytes:
        """The archive; raises `UsageError` if it cannot be read or is another one."""
        archive = self.bucket.get(self.path)
        if hashlib.sha256(archive).hexdigest() != self.digest:
            raise UsageError(
                f"--staging: s3://{self.path} does not match the digest in its name; delete it, then repeat the command"
            )
        return archive
