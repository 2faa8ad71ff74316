"""AWS clients for the commands, and one-line explanations of their errors."""

from __future__ import annotations

import functools
import os
import ssl
from collections.abc import Callable
from typing import Any

import boto3
import botocore.config
import botocore.exceptions as faults
import click

from .errors import MliError, file_fault, one_line

Clients = Callable[[str], Any]
"""Returns the boto3 client of a service."""

RETRIES = botocore.config.Config(
    retries={"mode": "standard", "max_attempts": 8}, connect_timeout=10, read_timeout=60
)
"""Retries throttling and temporary network faults, with back-off and jitter."""

_EXPIRED = ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired")
_UNKNOWN_KEY = (
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
)
_DENIED = ("AccessDenied", "AccessDeniedException", "AuthorizationError", "ForbiddenException",
           "UnauthorizedException", "UnauthorizedOperation")  # fmt: skip
_THROTTLED = (
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
)
_OTHER_REGION = ("AuthorizationHeaderMalformed", "IllegalLocationConstraintException",
                 "PermanentRedirect")  # fmt: skip


_NO_REGION = "no AWS Region is set: add --region us-east-1, or set AWS_REGION"
_REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")
"""In the order of the CDK and of AWS's newer SDKs; boto3 itself reads only the second one."""


def session(region: str | None = None, profile: str | None = None) -> boto3.Session:
    """Return a session with a Region, which every client needs.

    It is ``region``, or that of the environment, or else the profile's, as for the CDK:
    https://docs.aws.amazon.com/sdkref/latest/guide/feature-region.html

    Raises:
        MliError: if no Region is set anywhere.
    """
    created = boto3.Session(region_name=region or _environments_region(), profile_name=profile)
    if not created.region_name:
        raise MliError(_NO_REGION)
    return created


def _environments_region() -> str | None:
    """Return the environment's Region, if any; say on stderr if its variables differ."""
    found = {name: os.environ[name] for name in _REGION_VARIABLES if os.environ.get(name)}
    used = next(iter(found.values()), None)
    if len(set(found.values())) > 1:
        both = " and ".join(f"{name}={value}" for name, value in found.items())
        _say_once(f"{both} differ: using {used}, as the CDK does; --region overrides both")
    return used


def _say_once(text: str) -> None:
    """Write a line to stderr, once per command."""
    context = click.get_current_context(silent=True)
    said = context.meta.setdefault(__name__, set()) if context is not None else set()
    if text not in said:
        said.add(text)
        click.echo(text, err=True)


def client(service: str, region: str | None = None, profile: str | None = None) -> Any:
    """Return a client of ``service`` that retries when it is throttled."""
    return session(region, profile).client(service, config=RETRIES)


def clients(region: str | None = None, profile: str | None = None) -> Clients:
    """Return a function that returns the client of a service, the same one each time."""
    opened = functools.cache(lambda: session(region, profile))
    return functools.cache(lambda service: opened().client(service, config=RETRIES))


def tls_context() -> ssl.SSLContext:
    """Return a context for what boto3 does not send; AWS_CA_BUNDLE says whom it trusts.

    Raises:
        OSError: if that file cannot be read.
    """
    return ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE") or None)


def aws_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options ``region`` and ``aws_profile``."""

    @click.option(
        "--region",
        metavar="REGION",
        help="AWS Region; default: AWS_REGION, AWS_DEFAULT_REGION, or the profile's.",
    )
    @click.option("--aws-profile", metavar="NAME", help="Profile of your AWS configuration.")
    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        command(*arguments, **options)

    return run


def error_code(error: faults.ClientError) -> str:
    """Return the code of a refusal by AWS, such as ``NoSuchKey``; "" if it has none."""
    return str(error.response.get("Error", {}).get("Code", ""))


def explain(error: Exception) -> str:
    """Return in one line what an exception of boto3 means, and what fixes it."""
    if isinstance(error, faults.ClientError):
        return _explain_answer(error)
    if isinstance(error, (faults.NoCredentialsError, faults.PartialCredentialsError)):
        return "there are no AWS credentials: run `aws configure`, or set AWS_PROFILE"
    if isinstance(error, (faults.TokenRetrievalError, faults.UnauthorizedSSOTokenError,
                          faults.SSOTokenLoadError)):  # fmt: skip
        return "the AWS session has expired: run `aws sso login`, then repeat the command"
    if isinstance(error, faults.ProfileNotFound):
        return f"{error}: `aws configure list-profiles` lists the profiles"
    if isinstance(error, faults.NoRegionError):
        return _NO_REGION
    if isinstance(error, faults.EndpointConnectionError):
        return (
            f"{one_line(str(error))} Is there a network, and does the service exist in this Region?"
        )
    if isinstance(error, (faults.ConnectTimeoutError, faults.ReadTimeoutError, faults.SSLError,
                          faults.ConnectionClosedError, faults.ProxyConnectionError)):  # fmt: skip
        return f"AWS cannot be reached: {one_line(str(error))}; is the network up? Then repeat"
    if isinstance(error, faults.ParamValidationError):
        return f"the request is not valid: {one_line(str(error.kwargs.get('report', error)))}"
    if type(error).__name__ == "S3UploadFailedError" and error.__context__ is not None:
        cause = error.__context__
        if isinstance(cause, faults.BotoCoreError | faults.ClientError):
            return f"the upload failed: {explain(cause)}"
    if isinstance(error, OSError):
        return file_fault(error)
    return one_line(str(error)) or type(error).__name__


def _explain_answer(error: faults.ClientError) -> str:
    answer = error.response.get("Error", {})
    code, message = answer.get("Code", ""), one_line(answer.get("Message", ""))
    operation = error.operation_name
    said = f"{operation}: {message or code}"
    if code in _EXPIRED:
        return "the AWS session has expired: sign in again (`aws sso login`, or new credentials)"
    if code in _OTHER_REGION or code == "301" or "scoped to a valid region" in message:
        return f"this is in another Region ({said}); give its Region with --region"
    if code in _UNKNOWN_KEY:
        return f"AWS does not know these credentials ({said}): run `aws configure`"
    if code in _DENIED or code == "403":
        return f"not permitted: {said}; see docs/permissions.md for what the commands need"
    if code in _THROTTLED:
        return f"AWS is throttling ({said}), also after retries; wait a minute and repeat"
    if code in ("NoSuchBucket", "NoSuchKey", "404"):
        return f"not found: {said}"
    return f"{said} ({code})" if message else said
