"""Where a model comes from: an object in S3, a file or folder here, or a SageMaker job."""

import functools
import re
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from inference.model.artifacts.compiled import is_model_library
from inference.model.artifacts.digests import is_hidden
from inference.model.artifacts.onnx_files import ONNX_SUFFIX, is_onnx, weight_files
from stacks.context.buckets import check_bucket

ARCHIVE_SUFFIXES = (".tar.gz", ".tgz", ".zip")
_FILE_SUFFIXES = (*ARCHIVE_SUFFIXES, ONNX_SUFFIX)

PACKED_WEIGHTS = "compiled.params.f16.xz"
"""Packed weights, which no device can load: they mark a demo model as the repository stores it."""

_BUCKET = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
_ENDPOINT = r"s3(?:[.-](?:dualstack\.)?[a-z0-9-]+)?\.amazonaws\.com(?:\.cn)?"
_KEY = re.compile(r"(?:[A-Za-z0-9_.=+@,-]+/)*[A-Za-z0-9_.=+@,-]{1,100}")
_MAX_KEY_LENGTH = 1024
_TRAINING_JOB = (
    r"arn:aws:sagemaker:[a-z0-9-]{1,32}:[0-9]{12}:training-job/[a-zA-Z0-9](?:-*[a-zA-Z0-9]){1,62}"
)


@dataclass(frozen=True)
class S3Object:
    """An object in S3, in the account and Region of the core, as Greengrass requires."""

    bucket: str
    key: str

    @property
    def name(self) -> str:
        """The last part of the key, which is the file's name on the device."""
        return self.key.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class TrainingJob:
    """A SageMaker training job, whose model a connector of Greengrass V1 uses."""

    arn: str


def parse_training_job(value: object) -> TrainingJob:
    """Read the ARN of a training job, as AWS's Image Classification connector accepts it.

    https://docs.aws.amazon.com/greengrass/v1/developerguide/image-classification-connector.html

    Raises:
        ValueError: with the rule that the value breaks.
    """
    if not isinstance(value, str) or not re.fullmatch(_TRAINING_JOB, value):
        raise ValueError("must be the ARN of a SageMaker training job")
    return TrainingJob(value)


def parse_s3_uri(value: object) -> S3Object:
    """Read ``s3://bucket/key``, or an https URL of S3 with the bucket in its host or its path.

    The key's characters are limited to those that need no escaping in a shell script, a recipe and
    an IAM resource.

    Raises:
        ValueError: with the rule that the value breaks.
    """
    bucket, key = _bucket_and_key(value)
    try:
        check_bucket(bucket)
    except ValueError as error:
        raise ValueError(f"names the bucket {bucket!r}: it {error}") from None
    if not key.endswith(_FILE_SUFFIXES):
        raise ValueError("must end in " + ", ".join(_FILE_SUFFIXES))
    if not _KEY.fullmatch(key) or len(key) > _MAX_KEY_LENGTH:
        raise ValueError(
            "must have a key of letters, digits and _ . = + @ , - / only, "
            "with no empty part and a file name of at most 100 characters"
        )
    return S3Object(bucket, key)


def _bucket_and_key(value: object) -> tuple[str, str]:
    rule = "must be s3://bucket/key or an https URL of S3, without a query"
    if not isinstance(value, str):
        raise ValueError(rule)
    try:
        url = urlsplit(value)
    except ValueError:
        raise ValueError(rule) from None
    if url.query or url.fragment:
        raise ValueError(rule)
    if url.scheme == "s3":
        return url.netloc, url.path[1:]
    if url.scheme != "https":
        raise ValueError(rule)
    path = unquote(url.path[1:])
    if re.fullmatch(_ENDPOINT, url.netloc):
        bucket, _, key = path.partition("/")
        return bucket, key
    host = re.fullmatch(rf"({_BUCKET})\.{_ENDPOINT}", url.netloc)
    if host is None:
        raise ValueError(rule)
    return host[1], path


def parse_model_path(value: object) -> Path:
    """Read the path of an artifact: a folder, an archive of one, or an ``.onnx`` file.

    Raises:
        ValueError: with the rule that the value breaks.
    """
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("must be the path of a folder, an archive or an .onnx file")
    try:
        path = Path(value).expanduser()
        _check_models(path, _models_at(path))
    except (OSError, RuntimeError, UnicodeError) as error:
        raise ValueError(f"cannot be read ({type(error).__name__})") from None
    return path


def onnx_model_at(path: Path) -> Path | None:
    """Return the ``.onnx`` file of an artifact that was read before, relative to it.

    None if the artifact is for DLR.
    """
    return next(filter(is_onnx, _models_at(path)), None)


def _check_models(path: Path, models: list[Path]) -> None:
    onnx = sorted(str(name) for name in models if is_onnx(name))
    if not models:
        raise ValueError(
            "holds no compiled model (a .so file beside the runtime's libdlr.so), and no .onnx file"
        )
    if len(onnx) not in (0, len(models)):
        raise ValueError(
            f"holds models for DLR and for ONNX Runtime ({', '.join(map(str, models))}): keep one"
        )
    if len(onnx) > 1:
        raise ValueError(f"holds more than one .onnx file ({', '.join(onnx)}): keep one")
    if path.suffix == ONNX_SUFFIX and path.is_file():
        for name in sorted(weight_files(path)):
            raise ValueError(
                f"keeps its weights in {name}: give a folder with both files, or its archive, or "
                "put them into one file with `mli compile --with onnxruntime`"
            )
    if path.is_dir():
        _check_files(path, models)


def _check_files(folder: Path, models: list[Path]) -> None:
    """Check that the models of a folder are files that can be read, with their weights."""
    beside = {child.name for child in folder.iterdir()}
    for name in models:
        file = folder / name
        if not file.is_file():
            raise ValueError(f"holds {name}, which is no file, but a folder or a broken link")
        file.open("rb").close()
        for weights in sorted(weight_files(file) - beside if is_onnx(name) else ()):
            raise ValueError(f"lacks {weights}, in which {name} keeps weights: put it beside that")


def _models_at(path: Path) -> list[Path]:
    """Return the files of an artifact that are models, relative to it, without hidden ones."""
    if not path.is_file():
        names = _names_at(path)
    elif path.suffix == ONNX_SUFFIX:
        names = [path.name]
    else:
        names = _names_once(path, path.stat().st_mtime_ns)
    found = [Path(name) for name in names]
    return [
        one
        for one in found
        if (is_model_library(one) or is_onnx(one)) and not any(map(is_hidden, one.parts))
    ]


@functools.lru_cache(maxsize=1)
def _names_once(path: Path, changed: int) -> list[str]:
    """Read the names in an archive, which takes seconds for a large one, only once."""
    return _names_at(path)


def _names_at(path: Path) -> list[str]:
    if path.is_dir():
        names = [child.name for child in path.iterdir()]
        if PACKED_WEIGHTS in names:
            raise ValueError(
                "is a packed demo model; unpack it with "
                f"`mli demo unpack {path.resolve().name}` and give the path that it prints"
            )
        return names
    if not path.is_file():
        raise ValueError("does not exist")
    if not path.name.endswith(ARCHIVE_SUFFIXES):
        raise ValueError("must be a folder, or a file that ends in .tar.gz, .tgz, .zip or .onnx")
    return _names_in_archive(path)


def _names_in_archive(path: Path) -> list[str]:
    try:
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                return archive.namelist()
        with tarfile.open(path, "r:gz") as tar:
            return tar.getnames()
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"cannot be read as an archive ({error})") from None
