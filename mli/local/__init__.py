"""What runs on this machine: ``mli run``, ``mli cloud`` and ``mli core``; and ``mli infer``."""
