"""The custom resource that copies what cores download into the stack's own bucket."""

import re
from typing import Any

import pytest
from botocore.stub import ANY

from custom_resources.handler import handler
from tests.stacks.custom_resources.support import Answers, Stubs, add_status, event

COPIES = {
    "Bucket": "copies",
    "Prefix": "DlrInference.Demo",
    "ContentDigest": "0123",
    "Assets": ["assets/code.zip", "assets/profile.zip"],
}
WITH_MODEL = {**COPIES, "Model": "models/a/model.tar.gz", "AskedAt": "now"}


def copy(stubs: Stubs, cloudformation: Answers, properties: dict[str, Any]) -> dict[str, Any]:
    """Ask for copies; return the answer."""
    handler(event(cloudformation, "ArtifactCopies", ResourceProperties=properties), None)
    return cloudformation.received[-1]


def add_present(stubs: Stubs, *keys: str) -> None:
    stubs.s3.add_response(
        "list_objects_v2",
        {"Contents": [{"Key": key} for key in keys]},
        {"Bucket": "copies", "Prefix": "DlrInference.Demo/"},
    )


def add_copy(stubs: Stubs, source: str, key: str, **condition: str) -> None:
    bucket, _, name = source.partition("/")
    expected = {
        "CopySource": {"Bucket": bucket, "Key": name},
        "Bucket": "copies",
        "Key": key,
        "TaggingDirective": "REPLACE",
        **condition,
    }
    stubs.s3.add_response("copy_object", {}, expected)


def model_copied(stubs: Stubs, cloudformation: Answers, tag: str) -> dict[str, str]:
    """Copy a model with this ETag; return the attributes."""
    present = ("DlrInference.Demo/code.zip", "DlrInference.Demo/profile.zip")
    add_present(stubs, *present)
    stubs.s3.add_response(
        "head_object", {"ETag": tag}, {"Bucket": "models", "Key": "a/model.tar.gz"}
    )
    expected = {"CopySource": ANY, "Bucket": "copies", "Key": ANY, "TaggingDirective": "REPLACE"}
    stubs.s3.add_response("copy_object", {}, {**expected, "CopySourceIfMatch": tag})
    data: dict[str, str] = copy(stubs, cloudformation, WITH_MODEL)["Data"]
    return data


def test_artifacts_are_copied_below_the_component(stubs: Stubs, cloudformation: Answers) -> None:
    add_present(stubs)
    add_copy(stubs, "assets/code.zip", "DlrInference.Demo/code.zip")
    add_copy(stubs, "assets/profile.zip", "DlrInference.Demo/profile.zip")
    answer = copy(stubs, cloudformation, COPIES)
    assert answer["Status"] == "SUCCESS"
    version = answer["Data"]["ContentVersion"]
    assert re.fullmatch(r"(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})", version)
    assert answer["PhysicalResourceId"] == f"copies/DlrInference.Demo/{version}"


def test_copies_that_exist_are_not_made_again(stubs: Stubs, cloudformation: Answers) -> None:
    add_present(stubs, "DlrInference.Demo/code.zip", "DlrInference.Demo/old.zip")
    add_copy(stubs, "assets/profile.zip", "DlrInference.Demo/profile.zip")
    assert copy(stubs, cloudformation, COPIES)["Status"] == "SUCCESS"


@pytest.mark.parametrize(("old", "new"), [("a", "b"), ("a", None), (None, "b")])
def test_copies_are_made_again_with_another_key(
    stubs: Stubs, cloudformation: Answers, old: str | None, new: str | None
) -> None:
    """The role of the core may use the new one only."""
    add_copy(stubs, "assets/code.zip", "DlrInference.Demo/code.zip")
    add_copy(stubs, "assets/profile.zip", "DlrInference.Demo/profile.zip")
    before, after = ({**COPIES, **({"KmsKey": key} if key else {})} for key in (old, new))
    request = event(
        cloudformation,
        "ArtifactCopies",
        "Update",
        PhysicalResourceId="mine",
        ResourceProperties=after,
        OldResourceProperties=before,
    )
    handler(request, None)
    assert cloudformation.received[-1]["Status"] == "SUCCESS"


def test_model_gets_a_folder_and_a_version_by_its_bytes(
    stubs: Stubs, cloudformation: Answers
) -> None:
    first, again, other = (
        model_copied(stubs, cloudformation, tag) for tag in ('"one"', '"one"', '"other"')
    )
    assert first == again
    assert re.fullmatch("[0-9a-f]{32}", first["ModelFolder"])
    assert first["ModelFolder"] != other["ModelFolder"]
    assert first["ContentVersion"] != other["ContentVersion"]


def test_copy_of_a_model_lies_in_its_folder(stubs: Stubs, cloudformation: Answers) -> None:
    folder = model_copied(stubs, cloudformation, '"one"')["ModelFolder"]
    key = f"DlrInference.Demo/{folder}/model.tar.gz"
    add_present(stubs, "DlrInference.Demo/code.zip", "DlrInference.Demo/profile.zip", key)
    stubs.s3.add_response("head_object", {"ETag": '"one"'})  # and no copy is made
    assert copy(stubs, cloudformation, WITH_MODEL)["Data"]["ModelFolder"] == folder


@pytest.mark.parametrize(("code", "status"), [("404", 404), ("403", 403)])
def test_model_that_is_not_there_is_named(
    stubs: Stubs, cloudformation: Answers, code: str, status: int
) -> None:
    add_present(stubs)
    stubs.s3.add_client_error("head_object", code, http_status_code=status)
    answer = copy(stubs, cloudformation, WITH_MODEL)
    assert answer["Status"] == "FAILED"
    assert "the model s3://models/a/model.tar.gz does not exist, or" in answer["Reason"]


@pytest.mark.parametrize("status", ["UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS"])
def test_rollback_gives_what_is_deployed_although_the_model_is_gone(
    stubs: Stubs, cloudformation: Answers, status: str
) -> None:
    """The stack would end in UPDATE_ROLLBACK_FAILED, and could not be updated again."""
    folder = model_copied(stubs, cloudformation, '"one"')["ModelFolder"]
    deployed = cloudformation.received[-1]
    names = ("code.zip", "profile.zip", f"{folder}/model.tar.gz")
    add_present(stubs, *(f"DlrInference.Demo/{name}" for name in names))
    add_status(stubs, status)
    if status == "UPDATE_IN_PROGRESS":
        stubs.s3.add_client_error("head_object", "404", http_status_code=404)
    request = event(
        cloudformation,
        "ArtifactCopies",
        "Update",
        PhysicalResourceId=deployed["PhysicalResourceId"],
        ResourceProperties=WITH_MODEL,
        OldResourceProperties={**WITH_MODEL, "AskedAt": "later"},
    )
    handler(request, None)
    answer = cloudformation.received[-1]
    assert answer["PhysicalResourceId"] == deployed["PhysicalResourceId"]
    if status == "UPDATE_IN_PROGRESS":
        assert answer["Status"] == "FAILED"
    else:
        assert (answer["Status"], answer["Data"]) == ("SUCCESS", deployed["Data"])


def test_rollback_from_a_component_of_another_model_asks_for_its_own(
    stubs: Stubs, cloudformation: Answers
) -> None:
    model_copied(stubs, cloudformation, '"one"')
    deployed = cloudformation.received[-1]["PhysicalResourceId"]
    add_present(stubs, "DlrInference.Demo/code.zip", "DlrInference.Demo/profile.zip")
    stubs.s3.add_response("head_object", {"ETag": '"other"'}, {"Bucket": "models", "Key": "b.zip"})
    stubs.s3.add_response("copy_object", {})
    request = event(
        cloudformation,
        "ArtifactCopies",
        "Update",
        PhysicalResourceId=deployed,
        ResourceProperties={**WITH_MODEL, "Model": "models/b.zip", "ContentDigest": "4567"},
    )
    handler(request, None)
    assert cloudformation.received[-1]["PhysicalResourceId"].endswith('/"other"')


def test_model_that_is_replaced_meanwhile_fails_the_deployment(
    stubs: Stubs, cloudformation: Answers
) -> None:
    add_present(stubs)
    stubs.s3.add_response("head_object", {"ETag": '"one"'})
    stubs.s3.add_client_error("copy_object", "PreconditionFailed", http_status_code=412)
    assert "PreconditionFailed" in copy(stubs, cloudformation, WITH_MODEL)["Reason"]


def test_deleted_copies_stay(cloudformation: Answers) -> None:
    """A core may need them longer than a template names them."""
    deletion = event(
        cloudformation,
        "ArtifactCopies",
        "Delete",
        PhysicalResourceId="mine",
        ResourceProperties=COPIES,
    )
    handler(deletion, None)
    assert cloudformation.received[0]["Status"] == "SUCCESS"
