"""The algorithms of the guide: their images, and the hyperparameters that they accept.

Hyperparameters: Amazon SageMaker developer guide, "Image Classification Hyperparameters" and
"Object Detection Hyperparameters"; for GluonCV the arguments of the script ``ssd_entry_point.py``
in amazon-sagemaker-examples. Registries: ``image-classification.json``, ``object-detection.json``
and ``mxnet.json`` in ``image_uri_config`` of aws/sagemaker-python-sdk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from inference.schema import Field, choice, integer, number, text

from ..errors import MliError

_BUILT_IN = {
    "ap-east-1": "286214385809", "ap-northeast-1": "501404015308",
    "ap-northeast-2": "306986355934", "ap-south-1": "991648021394",
    "ap-southeast-1": "475088953585", "ap-southeast-2": "544295431143",
    "ca-central-1": "469771592824", "eu-central-1": "813361260812",
    "eu-north-1": "669576153137", "eu-west-1": "685385470294", "eu-west-2": "644912444149",
    "eu-west-3": "749696950732", "me-south-1": "249704162688", "sa-east-1": "855470959533",
    "us-east-1": "811284229777", "us-east-2": "825641698319", "us-gov-west-1": "226302683700",
    "us-west-1": "632365934929", "us-west-2": "433757028032",
}  # fmt: skip
_MXNET = {
    **dict.fromkeys((
        "ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1", "ap-southeast-2",
        "ca-central-1", "eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3",
        "sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2",
    ), "763104351884"),
    "af-south-1": "626614931356", "ap-east-1": "871362719292", "ap-northeast-3": "364406365360",
    "eu-south-1": "692866216735", "me-south-1": "217643126080", "us-gov-west-1": "442386744353",
}  # fmt: skip
_MXNET_TAG = "1.8.0-gpu-py37"


@dataclass(frozen=True)
class Algorithm:
    """One way to train: its image, its hyperparameters, and the shape of its model's input."""

    name: str
    repository: str
    registries: Mapping[str, str]
    fields: Sequence[Field[Any]]
    side: Callable[[Mapping[str, Any]], Sequence[int]]
    """Returns channels, height and width of the model's input for given hyperparameters."""
    required: Sequence[str] = field(default=())
    is_script: bool = False

    def image_uri(self, region: str) -> str:
        """Return the training image for a Region.

        Raises:
            MliError: if none is known.
        """
        account = self.registries.get(region)
        if account is None:
            raise MliError(
                f"no {self.name} image is known for {region}: give one with --image-uri, or train "
                f"in one of {', '.join(sorted(self.registries))}"
            )
        return f"{account}.dkr.ecr.{region}.amazonaws.com/{self.repository}"


def _whole(key: str, low: int = 1, high: int = 10**9, example: str = "30") -> Field[Any]:
    return Field(key, integer(low, high), None, example)


def _real(key: str, low: float = 0, high: float = 1, example: str = "0.001") -> Field[Any]:
    return Field(key, number(low, high), None, example)


def _one_of(key: str, *values: str) -> Field[Any]:
    return Field(key, choice(*values), None, values[0])


_TEXT = text(r"[^\x00-\x1f]{1,2500}", "must be a text")
_STEPS = text(r"\d+( *, *\d+)*", "must be epochs with commas between them")
_SHARED = (
    _whole("num_classes", example="20"),
    _whole("num_training_samples", example="5000"),
    _whole("epochs"),
    _whole("mini_batch_size", example="32"),
    _real("learning_rate"),
    _real("lr_scheduler_factor", example="0.1"),
    Field("lr_scheduler_step", _STEPS, None, '"10,20"'),
    _real("momentum", example="0.9"),
    _real("weight_decay", example="0.0005"),
    _one_of("use_pretrained_model", "0", "1"),
    _one_of("kv_store", "dist_sync", "dist_async"),
    _one_of("early_stopping", "True", "False"),
    _whole("early_stopping_min_epochs", example="10"),
    _whole("early_stopping_patience", example="5"),
    _real("early_stopping_tolerance", example="0.0"),
)
_CLASSIFICATION = (
    *_SHARED,
    _one_of("num_layers", "18", "34", "50", "101", "152", "200", "20", "32", "44", "56", "110"),
    Field("image_shape", text(r"[13],\d+,\d+", "must be channels, height and width"), None,
          '"3,224,224"'),
    _one_of("optimizer", "sgd", "adam", "rmsprop", "nag"),
    _one_of("augmentation_type", "crop", "crop_color", "crop_color_transform"),
    _one_of("multi_label", "0", "1"),
    _one_of("precision_dtype", "float32", "float16"),
    _one_of("use_weighted_loss", "0", "1"),
    _whole("checkpoint_frequency", example="5"),
    _whole("resize", example="256"),
    _whole("top_k", low=2, example="5"),
    _real("beta_1", example="0.9"),
    _real("beta_2", example="0.999"),
    _real("eps", example="1e-8"),
    _real("gamma", example="0.9"),
)  # fmt: skip
_DETECTION = (
    *_SHARED,
    _one_of("base_network", "vgg-16", "resnet-50"),
    _one_of("optimizer", "sgd", "adam", "rmsprop", "adadelta"),
    _whole("image_shape", low=300, high=4096, example="512"),
    _whole("label_width", example="350"),
    _real("nms_threshold", example="0.45"),
    _real("overlap_threshold", example="0.5"),
    Field("freeze_layer_pattern", _TEXT, None, '"^(conv1_).*"'),
)
_GLUONCV = (
    Field("network", _TEXT, None, '"ssd_512_mobilenet1.0_voc"'),
    _whole("data-shape", low=32, high=4096, example="512"),
    _whole("batch-size", example="32"),
    _whole("num-workers", low=0, example="4"),
    Field("gpus", text(r"(\d+(,\d+)*)?", "must be numbers of GPUs"), None, '"0"'),
    _whole("epochs", example="240"),
    _whole("start-epoch", low=0, example="0"),
    _whole("log-interval", low=0, example="100"),
    _real("lr"),
    _real("lr-decay", example="0.1"),
    Field("lr-decay-epoch", _STEPS, None, '"160,200"'),
    _real("momentum", example="0.9"),
    _real("wd", example="0.0005"),
)
_COUNTS = ("num_classes", "num_training_samples")


def _square(key: str, usual: int) -> Callable[[Mapping[str, Any]], Sequence[int]]:
    return lambda values: (3, *(2 * [int(values.get(key) or usual)]))


def _classification_shape(values: Mapping[str, Any]) -> Sequence[int]:
    return [int(part) for part in str(values.get("image_shape") or "3,224,224").split(",")]


ALGORITHMS = {
    one.name: one
    for one in (
        Algorithm("gluoncv-ssd", f"mxnet-training:{_MXNET_TAG}", _MXNET, _GLUONCV,
                  _square("data-shape", 512), is_script=True),
        Algorithm("image-classification", "image-classification:1", _BUILT_IN, _CLASSIFICATION,
                  _classification_shape, _COUNTS),
        Algorithm("object-detection", "object-detection:1", _BUILT_IN, _DETECTION,
                  _square("image_shape", 300), _COUNTS),
    )
}  # fmt: skip
