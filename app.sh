#!/bin/sh
# What cdk.json runs: app.py in the environment that is active, or else in that of make.
# conda's base is active without anybody having chosen it.
[ "${CONDA_DEFAULT_ENV:-base}" = base ] || VIRTUAL_ENV="${VIRTUAL_ENV:-$CONDA_PREFIX}"
export PATH="${VIRTUAL_ENV:-$PWD/.venv}/bin:$PATH"
exec python3 app.py
