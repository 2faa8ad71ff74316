"""``mli templates``: the templates of many cores, checked and compared."""
