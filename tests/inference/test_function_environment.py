"""The environment variables of the first generation's function: what goes in comes out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.feedback.configuration import default_configuration
from inference.schema import ConfigurationError
from inference.settings import InferenceSettings
from inference.v1.environment import RESOURCE_PREFIX, FunctionEnvironment, variable_name

CONNECTOR = "arn:aws:lambda:eu-west-1:aws:function:MLFeedback"
VARIABLES = {
    "CORE_NAME": "Demo",
    "MODEL_PATH": "/dlr_model",
    "MODEL_PROFILE": "gluoncv-ssd-voc",
    RESOURCE_PREFIX: "/greengrass/ggc/deployment/mlmodel/",
}

settings = st.builds(
    InferenceSettings,
    core_name=st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,63}", fullmatch=True),
    image_source=st.sampled_from(
        ("static", "photos/*.jpg", "camera:0", "rtsp://cam/1", "videotestsrc ! appsink")
    ),
    inference_interval=st.floats(0, 86_400),
    confidence_threshold=st.none() | st.floats(0, 1),
    top_k=st.none() | st.integers(1, 100),
    classes=st.lists(st.text(min_size=1, max_size=20), max_size=5).map(tuple),
    accelerator=st.sampled_from(["cpu", "gpu", "opencl"]),
    message_format=st.sampled_from(["list", "envelope"]),
    feedback=st.none() | st.just(default_configuration()),
)


@pytest.mark.parametrize(
    ("key", "variable"),
    [("coreName", "CORE_NAME"), ("topK", "TOP_K"), ("classes", "CLASSES")],
)
def test_variable_is_named_after_its_key(key: str, variable: str) -> None:
    assert variable_name(key) == variable


@given(settings)
def test_function_reads_back_what_the_template_says(settings: InferenceSettings) -> None:
    connector = CONNECTOR if settings.feedback else None
    environment = FunctionEnvironment(settings, "/dlr_model", "gluoncv-ssd-voc", connector)
    variables = {**environment.to_variables(), RESOURCE_PREFIX: "/resources", "PATH": "/bin"}
    read = FunctionEnvironment.from_variables(variables)
    assert read == environment
    assert read.model_folder == "/resources/dlr_model"


def test_container_s_prefix_is_the_root() -> None:
    read = FunctionEnvironment.from_variables({**VARIABLES, RESOURCE_PREFIX: "/"})
    assert read.model_folder == "/dlr_model"


def test_every_fault_is_reported_at_once() -> None:
    variables = {"CORE_NAME": "bad name!", "TOP_K": "0", "CLASSES": "[1]"}
    with pytest.raises(ConfigurationError) as caught:
        FunctionEnvironment.from_variables(variables)
    assert {fault.key for fault in caught.value.faults} == {
        "coreName",
        "topK",
        "classes",
        "MODEL_PATH",
        "MODEL_PROFILE",
        RESOURCE_PREFIX,
    }


def test_feedback_needs_its_connector() -> None:
    configuration = '{"LC50": {"content-type": "image/jpeg"}}'
    with pytest.raises(ConfigurationError, match="FEEDBACK_CONNECTOR"):
        FunctionEnvironment.from_variables({**VARIABLES, "FEEDBACK_CONFIGURATION": configuration})
