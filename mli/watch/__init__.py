"""``mli watch``: messages of cores, live."""
