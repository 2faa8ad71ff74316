"""`mli package`, and the archive that a device unpacks."""
