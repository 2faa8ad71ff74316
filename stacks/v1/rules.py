"""Rules of context keys that only Greengrass V1 has."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from inference import schema
from stacks.context.model_source import S3Object
from stacks.context.report import option, with_option


def refused_by_v1(given: Mapping[str, object], parsed: Mapping[str, Any]) -> Iterable[schema.Fault]:
    """Yield the faults that only Greengrass V1 finds: it unpacks the model, from fewer formats."""
    source, path = parsed["modelS3Uri"], parsed["modelPath"]
    if isinstance(source, S3Object):
        rule = ""
        if "." in source.bucket:
            rule = "must name a bucket without periods for greengrassVersion=1"
        elif source.key.endswith(".tgz"):
            rule = "must end in .tar.gz or .zip for greengrassVersion=1"
        if rule:
            yield with_option(schema.Fault("modelS3Uri", given["modelS3Uri"], rule))
    if isinstance(path, Path) and path.is_file() and path.suffix != ".zip":
        rule = "must be a folder or a .zip file for greengrassVersion=1"
        yield schema.Fault(
            "modelPath", given["modelPath"], rule, option("modelPath", "path/to/model")
        )
    if parsed["dependencies"] == "bundled":
        rule = "requires greengrassVersion=2: packages are installed on a V1 core in advance"
        yield schema.Fault("dependencies", "bundled", rule, option("dependencies", "online"))
    group = parsed["thingGroupName"]
    if group is not None:
        rule = "requires greengrassVersion=2: leave it out for V1"
        yield schema.Fault("thingGroupName", group, rule, option("greengrassVersion", "2"))
