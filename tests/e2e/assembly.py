"""Synthesis for deployments after a stack's first one, whose synthesis is the real CLI's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import aws_cdk as cdk

from app import add_stacks
from local_core.run.shared_cloud import SharedCloud
from stacks.generations import read_settings
from tests.stacks.synthesis import feature_flags


def assembled(shared: SharedCloud, context: Mapping[str, str]) -> Path:
    """Synthesise here what the CLI would have synthesised in two processes, which takes it 2 s."""
    folder = shared.cloud.data / "cdk.out"
    app = cdk.App(
        outdir=str(folder),
        context={**feature_flags(), **context},
        analytics_reporting=False,
        builtin_cloud_formation_validation=False,
    )
    add_stacks(app, read_settings(dict(context)))
    app.synth()
    return folder
