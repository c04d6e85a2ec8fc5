"""``python -m convsim_adapters.cli`` is the command, too."""

from convsim_adapters.cli import main

if __name__ == "__main__":
    main()
