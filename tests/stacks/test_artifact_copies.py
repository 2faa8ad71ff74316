"""The stack's own copies of what its cores download."""

from pathlib import Path
from typing import Any

import pytest

from tests.stacks.configurations import template as configuration
from tests.stacks.synthesis import all_of, named, only, recipe_of, resolved, template_of

KEY = "arn:aws:kms:us-east-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef"
ASSETS = "cdk-hnb659fds-assets-123456789012-ap-southeast-2"
COPIES = "<StoreBucket.Arn>/DlrInference.Demo/*"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return template_of(tmp_path_factory.mktemp("copies"))


def statements(template: dict[str, Any], *sids: str) -> dict[str, Any]:
    """What the statements with these sids allow, of all roles and policies."""
    documents = [one["PolicyDocument"] for one in all_of(template, "AWS::IAM::Policy")]
    for role in all_of(template, "AWS::IAM::Role"):
        documents += [policy["PolicyDocument"] for policy in role.get("Policies", ())]
    return {
        one["Sid"]: (one["Action"], resolved(one["Resource"]))
        for document in documents
        for one in document["Statement"]
        if one.get("Sid") in sids
    }


def folder_of(path: Path) -> Path:
    path.mkdir()
    (path / "compiled.so").write_bytes(b"\x7fELF\0")
    return path


def test_bucket_is_private_encrypted_versioned_and_outlives_the_stack(
    template: dict[str, Any],
) -> None:
    bucket = named(template, "StoreBucket")
    assert bucket is not None
    assert (bucket["UpdateReplacePolicy"], bucket["DeletionPolicy"]) == (
        "Retain",
        "RetainExceptOnCreate",
    )
    properties = bucket["Properties"]
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    (rule,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    policy = named(template, "StoreBucketPolicy")
    assert policy is not None
    denied = policy["Properties"]["PolicyDocument"]["Statement"]
    assert {(one["Effect"], one["Action"]) for one in denied} == {("Deny", "s3:*")}


def test_every_artifact_of_the_recipe_is_a_copy(template: dict[str, Any]) -> None:
    copied = resolved(only(template, "Custom::ArtifactCopies"))
    assert (copied["Bucket"], copied["Prefix"]) == ("<StoreBucket>", "DlrInference.Demo")
    assert copied["Model"] == "bucket/models/model.tar.gz"
    code, model, profile = recipe_of(template)["Manifests"][0]["Artifacts"]
    expected = [f"{ASSETS}/{part['Uri'].rsplit('/', 1)[1]}" for part in (code, profile)]
    assert copied["Assets"] == expected
    assert model["Uri"].startswith("s3://<StoreBucket>/DlrInference.Demo/")


def test_model_in_a_bucket_is_looked_up_at_every_deployment(
    template: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stacks.component.artifact_copies.synthesis_time", lambda: "later")
    again = template_of(tmp_path)
    before, now = (only(one, "Custom::ArtifactCopies") for one in (template, again))
    assert {key for key in now if now[key] != before[key]} == {"AskedAt"}
    assert now["AskedAt"] == "later"


def test_model_of_this_machine_needs_no_look_up(tmp_path: Path) -> None:
    local = {"modelS3Uri": None, "modelPath": str(folder_of(tmp_path / "model"))}
    copied = only(template_of(tmp_path, **local), "Custom::ArtifactCopies")
    assert not {"Model", "AskedAt"} & copied.keys()
    assert len(copied["Assets"]) == 3
    assert template_of(tmp_path / "again", **local) == template_of(tmp_path, **local)


def test_function_reads_the_sources_only_and_writes_below_the_component_only(
    template: dict[str, Any],
) -> None:
    code, profile = resolved(only(template, "Custom::ArtifactCopies"))["Assets"]
    action, sources = statements(template, "ReadSources")["ReadSources"]
    assert action == "s3:GetObject"
    names = [code, profile, "bucket/models/model.tar.gz"]
    assert sorted(sources) == sorted(f"arn:aws:s3:::{name}" for name in names)
    assert statements(template, "ListCopies", "WriteCopies") == {
        "ListCopies": ("s3:ListBucket", "<StoreBucket.Arn>"),
        "WriteCopies": ("s3:PutObject", COPIES),
    }


def test_core_reads_every_version_of_its_component_and_nothing_else(
    template: dict[str, Any],
) -> None:
    assert statements(template, "FindArtifacts", "ReadArtifacts") == {
        "FindArtifacts": ("s3:GetBucketLocation", "<StoreBucket.Arn>"),
        "ReadArtifacts": ("s3:GetObject", COPIES),
    }


def test_key_of_the_user_encrypts_both_buckets_and_whoever_uses_them_may_use_it() -> None:
    template = configuration("v2-kms")
    for name in ("StoreBucket", "FeedbackBucket"):
        bucket = named(template, name)
        assert bucket is not None
        (rule,) = bucket["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"] == {
            "KMSMasterKeyID": KEY,
            "SSEAlgorithm": "aws:kms",
        }
        assert rule["BucketKeyEnabled"] is True
    assert statements(template, "DecryptArtifacts", "EncryptCopies", "EncryptSamples") == {
        "DecryptArtifacts": ("kms:Decrypt", KEY),
        "EncryptCopies": (["kms:Decrypt", "kms:GenerateDataKey"], KEY),
        "EncryptSamples": ("kms:GenerateDataKey", KEY),
    }


def test_copies_are_looked_up_again_for_another_key(template: dict[str, Any]) -> None:
    assert only(configuration("v2-kms"), "Custom::ArtifactCopies")["KmsKey"] == KEY
    assert "KmsKey" not in only(template, "Custom::ArtifactCopies")


def test_without_a_key_nothing_of_kms_is_allowed(template: dict[str, Any]) -> None:
    assert "kms:" not in str(template)
