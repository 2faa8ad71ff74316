"""A CDK app without the CDK library, which takes seconds to load: it writes the assembly itself.

The CLI gives the context in CDK_CONTEXT_JSON and takes the assembly from CDK_OUTDIR.
https://github.com/aws/aws-cdk/tree/main/packages/%40aws-cdk/cloud-assembly-schema
"""

import hashlib
import json
import os
import sys
from pathlib import Path

ACCOUNT, REGION = "000000000000", "us-east-1"
BUCKET = f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}"
SCHEMA = "36.0.0"


def main() -> None:
    """Write the assembly of one stack with one component, whose artifact is an asset."""
    out = Path(os.environ["CDK_OUTDIR"])
    out.mkdir(parents=True, exist_ok=True)
    context = json.loads(os.environ["CDK_CONTEXT_JSON"])
    if "threshold" not in context:
        sys.exit("threshold is missing. Use -c threshold=0.5")
    stack = context["stackName"]
    code = f"threshold = {context['threshold']}".encode()
    digest = hashlib.sha256(code).hexdigest()
    (out / "code.zip").write_bytes(code)
    version = ".".join(str(int(digest[at : at + 4], 16)) for at in (0, 4, 8))
    recipe = {
        "RecipeFormatVersion": "2020-01-25",
        "ComponentName": f"{stack}.component",
        "ComponentVersion": context.get("version", version),
        "Manifests": [
            {"Platform": {"os": "*"}, "Artifacts": [{"Uri": f"s3://{BUCKET}/{digest}.zip"}]}
        ],
    }
    component = {
        "Type": "AWS::GreengrassV2::ComponentVersion",
        "Properties": {"InlineRecipe": json.dumps(recipe)},
    }
    template = {
        "Resources": {"Component": component},
        "Outputs": {"Arn": {"Value": {"Ref": "Component"}}},
    }
    destination = {"bucketName": BUCKET, "objectKey": f"{digest}.zip"}
    asset = {
        "source": {"path": "code.zip", "packaging": "file"},
        "destinations": {"current": destination},
    }
    assets = {"version": SCHEMA, "files": {digest: asset}}
    manifest = {
        "version": SCHEMA,
        "artifacts": {
            "assets": {"type": "cdk:asset-manifest", "properties": {"file": "assets.json"}},
            stack: {
                "type": "aws:cloudformation:stack",
                "environment": f"aws://{ACCOUNT}/{REGION}",
                "properties": {"templateFile": "template.json"},
                "dependencies": ["assets"],
            },
        },
    }
    for name, content in (
        ("template.json", template),
        ("assets.json", assets),
        ("manifest.json", manifest),
    ):
        (out / name).write_text(json.dumps(content))


if __name__ == "__main__":
    main()
