"""The files that a core downloads: our code, the model, and a profile that is not built in."""

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from edge_functions import CODE_FOLDER
from inference.model.profiles import profile
from stacks import arns
from stacks.component import wheels
from stacks.context.model_source import S3Object, TrainingJob
from stacks.context.settings import Settings

NOT_DEPLOYED = ("__pycache__", "*.pyc", ".mypy_cache", ".pytest_cache", ".ruff_cache")
"""Files that tools leave in a folder of code, which no asset contains."""

_OF_GENERATION_1 = ("/inference/v1", "/lambda_function.py", "/requirements-v1.txt")
"""Code that only the function of Greengrass V1 runs."""


@dataclass(frozen=True)
class Artifact:
    """A file of a version, and where it is published. A zip that is unpacked becomes a folder.

    ``source`` is its bucket and key. ``identity`` identifies the content without the account and
    the Region, unless ``is_replaceable``: then somebody may put other content under the key.
    """

    source: str
    file_name: str
    identity: str
    object_arn: str
    unpacked: bool
    is_replaceable: bool = False

    @property
    def path(self) -> str:
        """Its path on the core, with a recipe variable: the unpacked folder, or the file."""
        if self.unpacked:
            return f"{{artifacts:decompressedPath}}/{self.file_name.removesuffix('.zip')}"
        return f"{{artifacts:path}}/{self.file_name}"

    @classmethod
    def of_asset(cls, asset: s3_assets.Asset, *, unpacked: bool) -> "Artifact":
        """Return the artifact of an asset, as it is published."""
        return cls(
            source=f"{asset.s3_bucket_name}/{asset.s3_object_key}",
            file_name=asset.s3_object_key.rsplit("/", 1)[-1],
            identity=f"asset:{asset.asset_hash}",
            object_arn=asset.bucket.arn_for_objects(asset.s3_object_key),
            unpacked=unpacked,
        )

    @classmethod
    def of_object(cls, source: S3Object) -> "Artifact":
        """Return the artifact of an object that is already in S3."""
        return cls(
            source=f"{source.bucket}/{source.key}",
            file_name=source.name,
            identity=f"s3://{source.bucket}/{source.key}",
            object_arn=arns.object_arn(source.bucket, source.key),
            unpacked=False,
            is_replaceable=True,
        )


class Artifacts(Construct):
    """Code, model and profile of one core, published unless they are already in S3.

    The model stays packed: Greengrass only unpacks zip files, and Neo produces ``tar.gz``.
    """

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings) -> None:
        super().__init__(scope, construct_id)
        self.code = self._code(settings)
        assert not isinstance(settings.model, TrainingJob)
        self.model = self._model(settings.model)
        self.all: tuple[Artifact, ...] = (self.code, self.model)
        self.runtime = settings.model_runtime
        self.profile = settings.model_profile
        """The profile as the component receives it: a built-in name, or a path on the core."""
        if self.profile not in profile.builtin_profiles():
            bundle = self._profile(settings.model_profile)
            self.all += (bundle,)
            self.profile = f"{bundle.path}/profile.json"

    def _code(self, settings: Settings) -> Artifact:
        if settings.dependencies == "online":
            return Artifact.of_asset(self._code_asset(CODE_FOLDER), unpacked=True)
        bundled = wheels.bundled_wheels(settings.architecture, settings.model_runtime)
        with tempfile.TemporaryDirectory(dir=wheels.CACHE) as scratch:
            folder = Path(scratch) / CODE_FOLDER.name
            shutil.copytree(CODE_FOLDER, folder, ignore=shutil.ignore_patterns(*NOT_DEPLOYED))
            (folder / wheels.FOLDER).mkdir()
            for wheel in bundled:
                wheels.link_or_copy(wheel, folder / wheels.FOLDER / wheel.name)
            return Artifact.of_asset(self._code_asset(folder), unpacked=True)

    def _code_asset(self, folder: Path) -> s3_assets.Asset:
        return s3_assets.Asset(
            self,
            "Code",
            path=str(folder),
            exclude=[*NOT_DEPLOYED, *_OF_GENERATION_1],
            ignore_mode=cdk.IgnoreMode.GIT,
        )

    def _model(self, source: S3Object | Path) -> Artifact:
        if isinstance(source, S3Object):
            return Artifact.of_object(source)
        return Artifact.of_asset(
            s3_assets.Asset(self, "Model", path=str(source)),
            unpacked=False,
        )

    def _profile(self, path: str) -> Artifact:
        with tempfile.TemporaryDirectory() as folder:
            stage_profile(path, Path(folder))
            return Artifact.of_asset(s3_assets.Asset(self, "Profile", path=folder), unpacked=True)


def stage_profile(path: str, folder: Path) -> None:
    """Write a profile and its labels into ``folder``: identical bytes, wherever they come from."""
    values = json.loads(profile.profile_path(path).read_text(encoding="utf-8"))
    labels = profile.labels_path(path)
    if labels is not None:
        (folder / "labels.txt").write_bytes(labels.read_bytes())
        values["labels"] = "labels.txt"
    text = json.dumps(values, indent=2, sort_keys=True) + "\n"
    (folder / "profile.json").write_text(text, encoding="utf-8")
