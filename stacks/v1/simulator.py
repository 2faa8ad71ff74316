"""How an EC2 instance becomes a core of the first generation."""

from pathlib import Path

from stacks.simulator.set_up import SetUpScript

UV_VERSION = "0.9.11"
"""The uv that installs Python 3.8, which Amazon Linux 2023 does not have."""

V1_SET_UP = SetUpScript(
    path=Path(__file__).with_name("simulator_user_data.sh"),
    python="3.8",
    values={"UvVersion": UV_VERSION},
)
