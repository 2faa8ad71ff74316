"""`mli status`: what a core runs, whether it is alive, and why something failed."""
