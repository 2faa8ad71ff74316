"""How the commands of README, CONTRIBUTING and docs are run: what the reader fills in, and does.

docs/guide.md is not here: ``test_guide`` runs it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.docs.commands import Command, commands

MODELS = ("my-models", "my-greengrass-models")
"""Buckets that hold ``model.tar.gz``, an archive of :data:`PROFILE`."""
PROFILE = "efficientnet-lite0-imagenet"
PHOTOGRAPH = "edge_functions/dlr_inference/sample_images/coffee.jpg"

CERTIFICATE = (
    "CERTIFICATE=$(aws iot create-keys-and-certificate --set-as-active --query certificateId)"
)
_ID_OF = "CERTIFICATE=$(openssl x509 -in {} -outform der | sha256sum | cut -c 1-64)"
_CSR = "openssl req -new -newkey rsa:2048 -nodes -keyout {0}.key -out {0}.csr -subj /CN={0}"
_ONNX = (
    "mkdir -p build/onnx photos && python tests/mli/compile/onnx_models.py build/onnx"
    " && cp build/onnx/classifier.onnx fruit.onnx && seq 5 > fruit.txt"
    f" && cp {PHOTOGRAPH} apple.jpg && cp apple.jpg photos"
)
_HOST = "HOST=$(aws iot describe-endpoint --endpoint-type iot:Data-ATS --query endpointAddress)"
_INSTALLED = (
    "python -c 'import sys, pathlib; from tests.environments import put_on; "
    'put_on(pathlib.Path(sys.argv[1]), sys.argv[2], "dlr")\' {} {}'
)
"""The packages of a component are on a device's disk: test_guide has them installed."""
_GROUP = "aws iot create-thing-group --thing-group-name {} --query thingGroupArn"


@dataclass(frozen=True)
class Scene:
    """What makes a page's commands runnable.

    ``before`` has what is typed before the command that begins with its key, and ``filled_in`` what
    replaces the placeholders, as regular expressions. ``fails`` are commands whose failure the page
    shows, ``after`` ends the scene.
    """

    before: Mapping[str, str] = field(default_factory=dict)
    filled_in: tuple[tuple[str, str], ...] = ()
    fails: tuple[str, ...] = ()
    after: str = ""

    def preparation(self, command: Command) -> str:
        return next((do for text, do in self.before.items() if command.text.startswith(text)), "")

    def typed(self, command: Command) -> str:
        """Return the command as a reader types it."""
        text = command.text
        for pattern, replacement in self.filled_in:
            text = re.sub(pattern, replacement, text)
        return text


_ID = (r"certificateId=…", "certificateId=$CERTIFICATE")
_FLEET_MODEL = f" -c modelS3Uri=s3://my-models/model.tar.gz -c modelProfile={PROFILE}"
_MODEL = (r"modelS3Uri=…", "modelS3Uri=s3://my-models/model.tar.gz")

SCENES: Mapping[str, Scene] = {
    "README.md": Scene(
        before={"npx cdk deploy": CERTIFICATE},
        filled_in=(
            _ID,
            _MODEL,
            (r"s3://…/", "s3://my-models/"),
            (r"coreName=…", "coreName=Synthesised"),
        ),
    ),
    "CONTRIBUTING.md": Scene(
        before={
            "mli profile fruit": f"mkdir -p profiles; cp $MODEL fruit.tar.gz; cp $LABELS fruit.txt;"
            f" cp {PHOTOGRAPH} apple.jpg",
            "npx cdk deploy": CERTIFICATE,
        },
        filled_in=(_MODEL, (r"-c …", "-c coreName=Fruit -c certificateId=$CERTIFICATE")),
    ),
    "docs/ci.md": Scene(
        before={
            "npx cdk deploy": f"{CERTIFICATE}; sed -i s/0123456789abcdef.*ef/$CERTIFICATE/ "
            "cores/Demo.json; mli templates cores/Demo.json --update"
        },
        after="npx cdk destroy --all --force --app build/templates/Demo",
    ),
    "docs/compile.md": Scene(
        before={
            "mli compile --with onnxruntime": _ONNX,
            "make run": _INSTALLED.format(
                "build/local-core/Demo-fruit-dlr", "DlrInference.Demo-fruit-dlr"
            ),
        },
    ),
    "docs/context.md": Scene(
        filled_in=(
            (r"-c …", "-c coreName=Requested -c modelS3Uri=s3://my-models/model.tar.gz"),
            (
                r"<output CertificateId>",
                (
                    "$(aws cloudformation describe-stacks --stack-name DlrInference-Requested | "
                    "grep -A1 '\"CertificateId\"' | grep -oE '[0-9a-f]{64}')"
                ),
            ),
        ),
        fails=("npx cdk synth -c coreName='bad name!'",),
        after="openssl x509 -in device.pem.crt -noout",
    ),
    "docs/fleet.md": Scene(
        before={
            "mli core fleet/shop-floor/claim": _INSTALLED.format(
                "build/devices/press-8_Core", "DlrInferenceFleet.shop-floor"
            ),
            "mli fleet add": "mkdir -p requests; (cd requests; "
            + _CSR.format("press-2")
            + "); printf 'coreName,certificateSigningRequest,attribute.hall\\n"
            "press-1,,north\\npress-2,requests/press-2.csr,south\\n' > cores.csv",
            "mli fleet import press-7 --fleet shop-floor --dry-run": "aws iot create-thing "
            "--thing-name press-7_Core && aws iot attach-thing-principal "
            "--thing-name press-7_Core --principal "
            "$(aws iot create-keys-and-certificate --set-as-active --query certificateArn)",
        },
        filled_in=(
            (
                r" …$",
                f"{_FLEET_MODEL} -c inferenceInterval=2",
            ),
            (r"^npx cdk destroy", "npx cdk destroy --force --app cdk.out"),
            (r"--finish$", "--finish --seen"),
            # At the end of the line "&" means something that says when it is ready.
            (r"^(mli fleet canary shop-floor) &$", r"\1 --healthy 1 > verdict.log 2>&1 & true"),
        ),
        fails=("mli fleet status",),  # of four cores one has a device
        after="cat verdict.log && grep -q healthy verdict.log && kill %1 && wait",
    ),
    "docs/migration.md": Scene(
        before={"npx cdk deploy": CERTIFICATE},
        filled_in=(_ID, _MODEL, (r"<FeedbackBucket>", "hall-samples")),
    ),
    "docs/permissions.md": Scene(
        filled_in=((r"ACCOUNT", "000000000000"), (r"/REGION", "/$AWS_REGION")),
    ),
    "docs/profiles.md": Scene(before={"mli profile": _ONNX}),
    "docs/provisioning.md": Scene(
        before={
            "aws iot attach-policy --policy-name Demo_CorePolicy": "OLD=$CERTIFICATE; "
            + _ID_OF.format("certs/Demo-next/device.pem.crt").replace("CERTIFICATE=", "NEW=")
            + "; ARN=arn:aws:iot:$AWS_REGION:000000000000:cert/$NEW",
            # The device restarts with the archive. A local core takes that for another device,
            # which runs nothing yet, and "&" at the end would wait until it runs something.
            "npx cdk deploy -c certificateId=… -c coreName=Demo": "CERTIFICATE=$NEW; kill %1; "
            "wait; mli core rotated.zip > rotated.log 2>&1 & true",
            "mli status Demo": "mli redeploy Demo --again",
            "npx cdk deploy": _ID_OF.format("certs/Demo/device.pem.crt"),
            "mli redeploy": _INSTALLED.format("build/devices/Demo_Core", "DlrInference.Demo")
            + "; mli core greengrass-setup.zip &",
            "mli watch --all": _HOST,
        },
        filled_in=(
            _ID,
            (r"(modelS3Uri=\S+)", rf"\1 -c modelProfile={PROFILE} -c inferenceInterval=0.5"),
            (r"^(mli watch .*)$", r"\1 --count 4"),
            (r"\b(HOST|ARN|NEW|OLD)\b", r"$\1"),
        ),
        after="mli status Demo && kill %1 && wait",
    ),
    "docs/resources.md": Scene(
        before={
            "mli clean Demo": 'printf \'%s\' \'{"RecipeFormatVersion": "2020-01-25", '
            '"ComponentName": "DlrInference.Demo", "ComponentVersion": "0.0.1", '
            '"Manifests": []}\' > recipe.json; python -c "import boto3; '
            "boto3.client('greengrassv2', region_name='$AWS_REGION').create_component_version("
            "inlineRecipe=open('recipe.json', 'rb').read())\" 2>/dev/null || true",
        },
        filled_in=((r"<output DeploymentTarget>", f"$({_GROUP.format('Removed')})"),),
    ),
    "docs/samples.md": Scene(
        before={
            "mli samples Demo": "[ -e sampled ] || { "
            "python -m tests.mli.samples.kept_samples && touch sampled; }"
        },
        filled_in=((r"\bDemo\b", "Sampled"),),
    ),
    "docs/v1.md": Scene(filled_in=((r"certificateId=…", f"certificateId={'0' * 64}"),)),
    "docs/view.md": Scene(
        before={"mli view --certificate": _HOST},
        filled_in=((r"^(mli view .*)$", r"\1 --seconds 5"), (r"\bHOST\b", "$HOST")),
    ),
}

OF_DEVICES = ("docs/fleet.md", "docs/provisioning.md")
"""Pages whose commands another process tests."""

_CI = "it is what runs this test, or runs beside it in CI"
_DOWNLOADS = "it downloads everything: `make setup` does the same in each run of CI"
_DEVICE = "it needs a device"
_SAGEMAKER = (
    "the local cloud has no SageMaker: tests/mli/sagemaker check it against SageMaker's model"
)

NOT_RUN: Mapping[str, str] = {
    "make arm": _CI,
    "make lint": _CI,
    "make templates": _CI,
    "make test": _CI,
    "make unit": _CI,
    "make run": "docs/compile.md runs it, with one model",
    "python3 -m venv .venv": _DOWNLOADS,
    "pip install -r requirements.txt": _DOWNLOADS,
    "scp": _DEVICE,
    "sudo systemctl": _DEVICE,
    "sudo mv": _DEVICE,
    "sudo ln": _DEVICE,
    "sudo sh /greengrass/v2/prepare.sh": _DEVICE,
    "sudo unzip": _DEVICE,
    "sudo python3.8 -m pip install": _DEVICE,
    "sudo -u ggc_user gst-launch-1.0": _DEVICE,
    "mli compile --with neo": _SAGEMAKER,
    "mli train": _SAGEMAKER,
}
"""The beginnings of commands that cannot be run here, with the reason."""


def to_run(page: Path) -> list[Command]:
    """Return a page's commands, without those that cannot be run here."""
    return [command for command in commands(page) if reason(command) is None]


def reason(command: Command) -> str | None:
    """Return why a command is not run."""
    if command.text.startswith("make run") and command.page == "docs/compile.md":
        return None
    return next((why for text, why in NOT_RUN.items() if command.text.startswith(text)), None)
