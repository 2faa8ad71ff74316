"""Where an artifact keeps what is not compiled.

It is in a sub-folder, because DLR takes any ``.json`` at the top for the model's graph.
"""

PROFILE_FOLDER = "profile"
PROFILE_FILE = f"{PROFILE_FOLDER}/profile.json"
PROVENANCE_FILE = f"{PROFILE_FOLDER}/provenance.json"
