"""SageMaker and S3 with answers from botocore's Stubber, which checks requests and answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import click.testing
import pytest
from botocore.stub import Stubber

from mli.cli.main import main
from mli.sagemaker import jobs as sagemaker_jobs
from mli.sagemaker import neo, train

REGION = "us-east-1"
ROLE = "arn:aws:iam::111122223333:role/Sage"


@dataclass
class Cloud:
    """The two services, and the command line that uses them."""

    s3: Stubber
    sagemaker: Stubber

    def run(self, *arguments: object) -> click.testing.Result:
        """Run ``mli``; every answer must have been asked for."""
        done = click.testing.CliRunner().invoke(main, [str(one) for one in arguments])
        self.s3.assert_no_pending_responses()
        self.sagemaker.assert_no_pending_responses()
        return done

    def has_bucket(self, region: str = REGION, times: int = 1) -> None:
        """Answer that a bucket is there."""
        for _ in range(times):
            self.s3.add_response("head_bucket", {"BucketRegion": region})

    def refused(self, *arguments: object) -> str:
        """Run, and return the one line with which it fails."""
        done = self.run(*arguments)
        assert done.exit_code == 1, done.output
        assert isinstance(done.exception, SystemExit)
        assert done.stdout == ""
        return done.stderr.splitlines()[-1]


@pytest.fixture(scope="session")
def services() -> dict[str, Any]:
    session = boto3.Session("key", "secret", region_name=REGION)
    return {name: session.client(name) for name in ("s3", "sagemaker")}


@pytest.fixture
def cloud(services: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    class Session:
        region_name = REGION

        def client(self, name: str, config: object = None) -> Any:
            return services[name]

    for module in (neo, train):
        monkeypatch.setattr(module, "session", lambda region, profile: Session())
    monkeypatch.setattr(sagemaker_jobs, "POLL_SECONDS", 0)
    with Stubber(services["s3"]) as s3, Stubber(services["sagemaker"]) as sagemaker:
        yield Cloud(s3, sagemaker)
