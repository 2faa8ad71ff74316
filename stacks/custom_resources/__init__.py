"""Custom resources of CloudFormation: the infrastructure, beside the code that it deploys.

Modules of this folder are constructs, for synthesis. ``runtime/`` is the asset of their Lambda
functions: it is the root of a package of its own, ``custom_resources``, with one module per
subject, and imports nothing from here. The construct ``provider.py`` deploys the handler
``runtime/custom_resources/handler.py``; that of ``deployments_reset.py``, which only Greengrass V1
needs, is :mod:`stacks.v1.deployments_reset`.
"""
