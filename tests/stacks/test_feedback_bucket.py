"""Where samples go: the new bucket, existing buckets, and the permission to write."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.stacks.configurations import template as configuration
from tests.stacks.synthesis import named, only, resolved, template_of

ACCOUNT_BUCKETS = "arn:aws:s3:::"


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return configuration("v2")


def bucket_of(template: dict[str, Any]) -> dict[str, Any]:
    """The bucket that the stack creates for samples."""
    bucket = named(template, "FeedbackBucket")
    assert bucket is not None
    return bucket


def writable(template: dict[str, Any]) -> list[str]:
    """What the core's role may write."""
    found_role = named(template, "TokenExchangeRole")
    assert found_role is not None
    role = found_role["Properties"]
    for statement in role["Policies"][0]["PolicyDocument"]["Statement"]:
        if statement["Action"] == "s3:PutObject":
            found = resolved(statement["Resource"])
            return sorted([found] if isinstance(found, str) else found)
    return []


def sent(template: dict[str, Any]) -> dict[str, str]:
    """The bucket of each configuration that the deployment sends to the core."""
    (component,) = only(template, "AWS::GreengrassV2::Deployment")["Components"].values()
    merge = json.loads(resolved(component["ConfigurationUpdate"]["Merge"]))
    return {key: one["s3-bucket-name"] for key, one in merge["feedbackConfiguration"].items()}


def entry(**more: object) -> dict[str, object]:
    return {"content-type": "image/jpeg", **more}


def test_bucket_is_private_encrypted_and_versioned(template: dict[str, Any]) -> None:
    bucket = bucket_of(template)["Properties"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    assert "BucketName" not in bucket


def test_bucket_forgets_what_was_overwritten_or_never_finished(template: dict[str, Any]) -> None:
    (rule,) = bucket_of(template)["Properties"]["LifecycleConfiguration"]["Rules"]
    assert rule["Status"] == "Enabled"
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert "ExpirationInDays" not in rule


def test_samples_expire_only_if_that_is_asked_for(tmp_path: Path) -> None:
    template = template_of(tmp_path, feedbackRetentionDays=90)
    rules = bucket_of(template)["Properties"]["LifecycleConfiguration"]["Rules"]
    assert [one.get("ExpirationInDays") for one in rules] == [None, 90, None]
    assert [one.get("ExpiredObjectDeleteMarker") for one in rules] == [None, None, True]
    assert {one["Status"] for one in rules} == {"Enabled"}


def test_bucket_refuses_what_is_not_encrypted_on_the_way(template: dict[str, Any]) -> None:
    policy = named(template, "FeedbackBucketPolicy")
    assert policy is not None
    statements = policy["Properties"]["PolicyDocument"]["Statement"]
    assert [(one["Effect"], one["Action"]) for one in statements] == [("Deny", "s3:*")] * 2
    assert [one["Condition"] for one in statements] == [
        {"Bool": {"aws:SecureTransport": "false"}},
        {"NumericLessThan": {"s3:TlsVersion": 1.2}},
    ]


@pytest.mark.parametrize("name", ["FeedbackBucket", "StoreBucket"])
def test_bucket_outlives_the_stack_with_what_it_refuses(
    template: dict[str, Any], name: str
) -> None:
    for kept in (named(template, name), named(template, f"{name}Policy")):
        assert kept is not None
        assert kept["UpdateReplacePolicy"] == "Retain"
        assert kept["DeletionPolicy"] == "RetainExceptOnCreate"


def test_existing_bucket_is_used_and_none_is_created() -> None:
    template = configuration("v2-own-bucket")
    assert named(template, "FeedbackBucket") is None
    assert set(sent(template).values()) == {"samples"}
    assert writable(template) == [
        f"{ACCOUNT_BUCKETS}samples/{prefix}/*"
        for prefix in ("confidence-lower-than-50", "entropy", "random-sampling")
    ]


def test_configuration_keeps_the_bucket_that_it_names(tmp_path: Path) -> None:
    template = template_of(
        tmp_path,
        feedbackConfiguration={
            "Own": entry(**{"s3-bucket-name": "other", "s3-prefix": "a/b"}),
            "Shared": entry(**{"s3-prefix": "c"}),
        },
    )
    assert sent(template) == {"Own": "other", "Shared": "<FeedbackBucket>"}
    assert writable(template) == ["<FeedbackBucket.Arn>/c/*", f"{ACCOUNT_BUCKETS}other/a/b/*"]


def test_no_bucket_is_created_that_nobody_uses(tmp_path: Path) -> None:
    own = entry(**{"s3-bucket-name": "other"})
    template = template_of(tmp_path, feedbackConfiguration={"Own": own, "Too": own})
    assert named(template, "FeedbackBucket") is None
    assert writable(template) == [f"{ACCOUNT_BUCKETS}other/*"]
    assert "FeedbackBucket" not in template["Outputs"]
