"""The page of cores of a local cloud, whose messages come from that run's own subscriber."""

from __future__ import annotations

import functools
from typing import Self

import botocore.exceptions

from inference.feedback.configuration import FeedbackConfigurations
from local_core.cloud import LocalCloud

from ..errors import MliError
from .background import Lookups
from .board import Board
from .controls import Controls
from .pictures import Pictures, s3_fetch
from .reasons import deployed_configurations
from .server import Server


class LocalPage:
    """A context in which the page is served; hand it each message."""

    def __init__(self, cloud: LocalCloud) -> None:
        self._clients = functools.cache(cloud.client)
        lookups = Lookups(self._configurations)
        self._board = Board(lookups)
        lookups.use = self._board.use_configurations
        self._server = Server(
            self._board,
            Pictures(s3_fetch(cloud.client("s3")), self._board.describe),
            Controls(self._clients, self._board.use_configurations),
        )
        self.receive = self._board.receive

    @property
    def address(self) -> str:
        """What to open in a browser."""
        return self._server.address

    def __enter__(self) -> Self:
        self._board.set_connection(True, "the local cloud")
        self._server.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.__exit__(None, None, None)

    def _configurations(self, core_name: str) -> FeedbackConfigurations | None:
        try:
            return deployed_configurations(self._clients, core_name)
        except (MliError, botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError):
            return None  # Greengrass V1 has no such deployment
