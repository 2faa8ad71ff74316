"""The app's own template, read as the local core reads it."""

from __future__ import annotations

from pathlib import Path

import aws_cdk as cdk
import pytest

from inference import names
from local_core.assembly import Assembly, AssemblyFetcher
from local_core.nucleus.artifacts import ArtifactStore
from local_core.nucleus.configuration import deployed
from local_core.nucleus.core import CoreIdentity
from local_core.nucleus.layout import CoreLayout
from local_core.nucleus.variables import Variables
from models import store
from stacks.core_stack import GreengrassCoreStack
from stacks.settings import Settings

MODEL = "ssdlite-mobilenet-v2-coco"


@pytest.fixture(scope="module")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    folder = tmp_path_factory.mktemp("cdk.out")
    context = {
        "coreName": "Demo",
        "certificateId": "0" * 64,
        "modelPath": str(store.unpacked(MODEL)),
        "modelProfile": MODEL,
    }
    app = cdk.App(outdir=str(folder), builtin_cloud_formation_validation=False)
    GreengrassCoreStack(app, settings=Settings.from_context(context))
    app.synth()
    return Assembly.load(folder)


def test_one_component_is_deployed_to_the_thing_and_may_publish(assembly: Assembly) -> None:
    assert assembly.deployment().thing_name == "Demo_Core"
    (component,) = assembly.deployed_components()
    configuration = deployed(
        component.recipe.default_configuration, reset=component.reset, merge=component.merge
    )
    assert configuration["coreName"] == "Demo"
    assert names.prediction_topic("Demo") in str(configuration["accessControl"])


def test_scripts_name_files_that_the_core_has(assembly: Assembly, tmp_path: Path) -> None:
    (component,) = assembly.deployed_components()
    recipe, layout = component.recipe, CoreLayout(tmp_path)
    manifest = recipe.manifest_for(CoreIdentity("Demo_Core", tmp_path).platform)
    ArtifactStore(layout, AssemblyFetcher(assembly.assets)).prepare(
        recipe.name, recipe.version, manifest.artifacts
    )
    variables = Variables(layout, "Demo_Core", recipe.name, recipe.version, {})
    for step in (manifest.install, manifest.run):
        assert step is not None
        words = variables.substitute(step.script).split()
        assert words[0] == "python3"
        assert Path(words[1]).is_file()
        assert Path(words[words.index("--model") + 1]).is_file()
