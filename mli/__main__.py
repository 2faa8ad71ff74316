"""``python -m mli``: the command ``mli`` where no console script is on the path."""

from .cli.main import main

if __name__ == "__main__":
    main(prog_name="mli")
