"""``mli certificate``: a key, and a certificate or the request for one."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import click

from inference.names import FEEDBACK_PREDICTION_TOPIC

from ...aws import aws_options, clients
from ...cli.options import given_options, key_folder_option, refuse_given, root_ca_option
from ...cli.output import Output, examples, reporting
from ...cli.owner_names import CoreName
from ...errors import MliError
from . import keyfiles
from .keyfiles import KeyFolder

_EXAMPLES = examples(
    "mli certificate Demo",
    "mli certificate Demo --csr --key-type rsa    # no AWS account needed yet",
    "mli certificate workstation --watch          # for `mli watch --certificate`",
)


@click.command(epilog=_EXAMPLES)
@click.argument("name", type=CoreName())
@click.option(
    "--csr", is_flag=True, help="Create the key here, and a signing request for the stack."
)
@click.option(
    "--key-type",
    type=click.Choice(list(keyfiles.KEY_KINDS)),
    default="ec",
    show_default=True,
    help="With --csr: EC P-256, or RSA 2048. AWS's own keys are RSA 2048.",
)
@click.option(
    "--watch",
    is_flag=True,
    help="Attach a policy for `mli watch --certificate`, which permits subscribing only.",
)
@key_folder_option()
@root_ca_option
@aws_options
@reporting
def certificate(
    output: Output,
    name: str,
    csr: bool,
    key_type: str,
    watch: bool,
    folder: Path | None,
    root_ca: Path | None,
    region: str | None,
    aws_profile: str | None,
) -> None:
    """Create the key and the certificate of the core NAME, and print how to deploy with them.

    By default AWS IoT creates both, and the certificate is active. With --csr the key is created
    here and never leaves this machine, and the stack creates the certificate from the request.
    Nothing is ever overwritten: when repeated, the command only prints again how to deploy.
    """
    if csr and watch:
        raise click.UsageError("--watch needs a certificate: remove --csr")
    if not csr:
        refuse_given("key_type", because="goes with --csr: the keys of AWS IoT are RSA 2048")
    keys = KeyFolder(folder or Path("certs") / name)
    if watch and not keys.path.resolve().name.startswith(name):
        raise click.UsageError(
            f"--folder {folder}: with --watch its name must begin with {name}, because `mli watch` "
            "and `mli view` connect under the name of the folder"
        )
    if csr:
        keys.prepare()
        is_given = "key_type" in given_options()
        created = request_certificate(keys, name, key_type, of_this_kind=is_given)
        keys.write_root_ca(root_ca)
        option = f"certificateSigningRequest={shlex.quote(str(keys.request))}"
        values: dict[str, Any] = {"request": str(keys.request)}
    else:
        iot = clients(region, aws_profile)("iot")
        if watch:
            check_watching(iot, name)
        with keys.prepared():
            created = create_certificate(iot, keys)
        keys.write_root_ca(root_ca)
        identity = keyfiles.certificate_id(keys.certificate.read_bytes())
        if watch:
            allow_watching(iot, name, identity)
        option = f"certificateId={identity}"
        values = {"certificateId": identity, "certificate": str(keys.certificate)}
    context = f"-c coreName={name} -c {option}"
    values |= {"privateKey": str(keys.private_key), "made": created, "context": context}
    state = "created" if created else "already there, unchanged"
    if watch:
        todo = f"  mli watch --all --certificate {shlex.quote(str(keys.path))}"
    else:
        todo = f"  npx cdk deploy {context} -c modelS3Uri=s3://…"
    output.result(values, f"{keys.path}: {state}. Next:\n{todo}")


def create_certificate(iot: Any, keys: KeyFolder) -> bool:
    """Let AWS IoT create a key and an active certificate; return False if both are already there.

    Raises:
        MliError: if the folder holds only one of them, or two that do not belong together.
    """
    if keys.private_key.exists() and keys.certificate.exists():
        keyfiles.check_pair(
            keys.certificate.read_bytes(), keys.private_key.read_bytes(), str(keys.path)
        )
        return False
    for file in (keys.private_key, keys.certificate, keys.request):
        if file.exists():
            raise MliError(
                f"{file} already exists, and is not overwritten: move it away, give another "
                "--folder, or add --csr if it belongs to a signing request"
            )
    created = iot.create_keys_and_certificate(setAsActive=True)
    try:
        keys.write_key(created["keyPair"]["PrivateKey"].encode())
        keys.write_certificate(created["certificatePem"].encode())
    except OSError as error:
        raise MliError(
            f"{error}; the certificate {created['certificateId']} was created and its key is lost: "
            f"`aws iot update-certificate --certificate-id {created['certificateId']} "
            "--new-status REVOKED`"
        ) from error
    return True


def request_certificate(
    keys: KeyFolder, name: str, kind: str, *, of_this_kind: bool = False
) -> bool:
    """Create a key and a signing request; return False if both are already there.

    A key that an interruption left without a request is used.

    Raises:
        MliError: if the existing request is not for the key, or AWS IoT does not take its kind, or
            it must be ``of_this_kind`` and is not.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    if keys.private_key.exists():
        pem = keys.private_key.read_bytes()
        try:
            key: Any = serialization.load_pem_private_key(pem, None)
        except (TypeError, ValueError, UnsupportedAlgorithm) as error:
            raise MliError(f"{keys.private_key} cannot be read as a key: {error}") from None
        keyfiles.check_kind(key.public_key(), str(keys.private_key))
        if of_this_kind and not isinstance(key, keyfiles.KEY_CLASSES[kind]):
            raise MliError(
                f"{keys.private_key} is not of --key-type {kind}, and is not overwritten: remove "
                "the option, move the key away, or give another --folder"
            )
    else:
        if keys.request.exists():
            raise MliError(f"{keys.request} exists without its key {keys.private_key.name}")
        key = keyfiles.new_key(kind)
        keys.write_key(keyfiles.key_pem(key))
    if keys.request.exists():
        found = keyfiles.load_request(keys.request.read_bytes(), str(keys.request))
        if found.public_key() != key.public_key():
            raise MliError(f"{keys.request} is not for {keys.private_key}: move both away")
        return False
    keys.write_request(keyfiles.signing_request(key, name))
    return True


def check_watching(iot: Any, name: str) -> None:
    """Check that no other policy has the name of the one for NAME.

    Raises:
        MliError: if one has.
    """
    try:
        found = iot.get_policy(policyName=_watch_policy(name))
    except iot.exceptions.ResourceNotFoundException:
        return
    if json.loads(found["policyDocument"]) != _watch_document(name, found["policyArn"]):
        raise MliError(f"there is another policy {_watch_policy(name)}: choose another NAME")


def allow_watching(iot: Any, name: str, identity: str) -> None:
    """Let a certificate connect as NAME and receive what cores publish, nothing else."""
    arn = iot.describe_certificate(certificateId=identity)["certificateDescription"][
        "certificateArn"
    ]
    policy, document = _watch_policy(name), json.dumps(_watch_document(name, arn))
    try:
        iot.create_policy(policyName=policy, policyDocument=document)
    except iot.exceptions.ResourceAlreadyExistsException:
        check_watching(iot, name)
    iot.attach_policy(policyName=policy, target=arn)


def _watch_policy(name: str) -> str:
    return f"{name}_Watch"


def _watch_document(name: str, arn: str) -> dict[str, Any]:
    """Return the policy, with the account and Region of an ARN of AWS IoT."""
    base = arn.rpartition(":")[0]
    topics = ("mli/*", FEEDBACK_PREDICTION_TOPIC)
    wanted = {
        "iot:Connect": [f"{base}:client/{name}*"],
        "iot:Subscribe": [f"{base}:topicfilter/{one}" for one in topics],
        "iot:Receive": [f"{base}:topic/{one}" for one in topics],
    }
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": action, "Resource": resources}
            for action, resources in wanted.items()
        ],
    }
