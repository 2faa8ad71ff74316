"""The context of ``cdk synth`` and ``cdk deploy``: keys, rules, and the settings read from it."""
