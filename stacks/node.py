"""The environment of the Node that runs the CDK's library; imported before ``aws_cdk``."""

import json
import os
from pathlib import Path

# Node 20 works, but is past its end of life: jsii, which aws_cdk starts, would print a banner.
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")

# Node wants a path quoted as in JSON: https://nodejs.org/api/cli.html#node_optionsoptions
_FLAGS = json.dumps(str(Path(__file__).resolve().with_name("node_flags.cjs")), ensure_ascii=False)
os.environ["NODE_OPTIONS"] = f"{os.environ.get('NODE_OPTIONS', '')} --require {_FLAGS}".strip()
