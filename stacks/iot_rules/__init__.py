"""Rules of AWS IoT: their statements, the trust of their roles, and their logs."""
