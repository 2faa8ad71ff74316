"""Pictures of what cores see: drawing, and the local page of ``mli view``."""
