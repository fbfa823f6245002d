"""The network (torch only, save for ``config``, which anyone may read)."""
