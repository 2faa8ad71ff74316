"""The outputs of each family's own export, written by hand around known objects.

They follow the families' descriptions of their outputs, and share no code with the decoders.
"""
