"""The network: torch only, except ``config``, which needs no torch."""
