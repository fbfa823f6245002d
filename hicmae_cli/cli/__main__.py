"""``python -m hicmae_cli.cli`` runs the command."""

from hicmae_cli.cli import main

if __name__ == "__main__":
    main()
