"""A cloud and its cores on this machine: ``mli run``, ``mli cloud`` and ``mli core``."""
