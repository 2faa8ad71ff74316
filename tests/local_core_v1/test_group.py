"""A group's documents: what is read of them, and which groups no core could run."""

from __future__ import annotations

from typing import Any

import pytest

from local_core.v1.group import GroupDocuments, GroupError, Logger, ModelResource, Subscription
from tests.local_core_v1.support import (
    CONNECTOR,
    FUNCTION,
    connector_entry,
    function_entry,
    group,
    resource_entry,
)


def test_function_is_read_with_its_environment() -> None:
    policies = [{"ResourceId": "model"}]
    entry = function_entry(
        FUNCTION, Variables={"A": "1"}, ResourceAccessPolicies=policies, AccessSysfs=None
    )
    [function] = group([entry], resources=[resource_entry()]).functions
    assert (function.arn, function.pinned, function.encoding) == (FUNCTION, True, "json")
    assert function.handler == "lambda_function.function_handler"
    assert (function.variables, function.resource_ids) == ({"A": "1"}, ("model",))


def test_executable_names_another_handler() -> None:
    entry = function_entry(FUNCTION)
    entry["FunctionConfiguration"]["Executable"] = "other.main"
    assert group([entry]).functions[0].handler == "other.main"


def test_model_is_read_with_its_owner_setting() -> None:
    read = group([], resources=[resource_entry()]).resources
    assert read == (ModelResource("model", "DlrModel", "s3://bucket/model.tar.gz", "/model"),)
    writable = resource_entry()
    data = writable["ResourceDataContainer"]["S3MachineLearningModelResourceData"]
    data["OwnerSetting"]["GroupPermission"] = "rw"
    assert group([], resources=[writable]).resources[0].writable


def test_connector_subscriptions_and_loggers_are_read() -> None:
    documents = GroupDocuments.parse(
        connectors={"Definition": {"Connectors": [connector_entry({}, "10")]}},
        subscriptions={
            "Subscriptions": [
                {"Id": "1", "Source": CONNECTOR, "Subject": "feedback/#", "Target": "cloud"}
            ]
        },
        loggers={
            "Definition": {
                "Loggers": [
                    {
                        "Id": "1",
                        "Component": "Lambda",
                        "Level": "INFO",
                        "Space": 5120,
                        "Type": "FileSystem",
                    },
                    {"Id": "2", "Component": "Lambda", "Level": "INFO", "Type": "AWSCloudWatch"},
                ]
            }
        },
    )
    assert documents.connectors[0].parameters["RequestLimit"] == "10"
    assert documents.subscriptions == (Subscription(CONNECTOR, "feedback/#", "cloud"),)
    assert documents.loggers == (
        Logger("Lambda", "INFO", "FileSystem", 5120),
        Logger("Lambda", "INFO", "AWSCloudWatch"),
    )


def test_definitions_may_be_left_out() -> None:
    assert GroupDocuments.parse() == GroupDocuments()
    assert GroupDocuments.parse(functions={"Definition": {}}) == GroupDocuments()


def test_subscription_must_stay_within_the_group() -> None:
    with pytest.raises(GroupError, match=r"Inference:prod, which is not in the group"):
        group([], [(FUNCTION, "a", "cloud")])


def test_function_needs_only_resources_that_are_there() -> None:
    entry = function_entry(FUNCTION, ResourceAccessPolicies=[{"ResourceId": "model"}])
    with pytest.raises(GroupError, match="needs the resource model"):
        group([entry])


@pytest.mark.parametrize("path", ["model", "/", "/a/../b", ""])
def test_destination_is_an_absolute_path_below_the_root(path: str) -> None:
    with pytest.raises(GroupError, match="not an absolute path below the root"):
        group([], resources=[resource_entry(path)])


@pytest.mark.parametrize("second", ["/a", "/a/b"])
def test_destinations_are_neither_equal_nor_nested(second: str) -> None:
    with pytest.raises(GroupError, match="is the same as, or within"):
        group([], resources=[resource_entry("/a", "1"), resource_entry(second, "2")])


@pytest.mark.parametrize(
    ("functions", "reason"),
    [
        ([{"Id": "1"}], "Functions has no FunctionArn"),
        (["x"], "Functions cannot be read"),
        ([{"Id": "1", "FunctionArn": "a", "FunctionConfiguration": 5}], "cannot be read"),
    ],
)
def test_document_that_cannot_be_read_is_reported(functions: list[Any], reason: str) -> None:
    with pytest.raises(GroupError, match=reason):
        GroupDocuments.parse(functions={"Functions": functions})
