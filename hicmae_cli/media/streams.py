"""Open binary streams as media files: a download in memory, a member of an archive."""

from __future__ import annotations

import io
from types import TracebackType
from typing import BinaryIO, Final

from hicmae_cli.errors import MediaError
from hicmae_cli.files import LFS_START

HEAD_BYTES: Final = 4096
"""Bytes at the start of a file that `refuse_pointers` looks at."""
_PLAYLIST_STARTS: Final = (b"#EXTM3U", b"ffconcat", b"<MPD")


def refuse_pointers(path: object, head: bytes) -> None:
    """Refuse a file that only points at others, by its first bytes.

    Raises:
        MediaError: it is a playlist, or a pointer of Git LFS.
    """
    head = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith(LFS_START):
        raise MediaError(
            f"{path}: is a Git LFS pointer, not the file itself; run `git lfs pull` in the clone that holds it"
        )
    # An XML declaration may come before the root of a DASH manifest.
    if head.startswith(_PLAYLIST_STARTS) or (head.startswith(b"<?xml") and b"<MPD" in head):
        raise MediaError(f"{path}: is a playlist that points at other files; pass the media file itself")


class ByteStream:
    """A seekable binary stream that the readers of this room accept in place of a path.

    A prediction decodes pictures and sound at the same time, so every reader has its own position. The stream is read
    from its start, and stays open.

    Args:
        file: the stream. Nothing else may read from it meanwhile.
        name: what messages call it; by default the name of its file, if it has one.

    Raises:
        MediaError: it is not binary, or cannot seek.
    """

    def __init__(self, file: BinaryIO, name: str | None = None) -> None:
        own = getattr(file, "name", None)
        self._name = name or (own if isinstance(own, str) and own else "stream")
        self._file = file
        try:
            is_binary = isinstance(file.read(0), bytes)
            self._size = file.seek(0, io.SEEK_END) if is_binary else 0
        except (AttributeError, OSError, ValueError) as error:
            raise MediaError(
                f"{self._name}: expected an open, seekable stream ({error}); read it into io.BytesIO"
            ) from error
        if not is_binary:
            raise MediaError(f"{self._name}: expected a binary stream, got text; open the file with mode 'rb'")
        if self._size == 0:
            raise MediaError(f"{self._name}: is empty (0 bytes)")

    def __str__(self) -> str:
        return self._name

    def open(self) -> StreamReader:
        """Return a reader at the start of the stream."""
        return StreamReader(self._file, self._size)


class StreamReader:
    """One reader of a stream, with its own position. It has no name, so a name cannot select a demuxer."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self._position = 0

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes, or all that follow."""
        self._file.seek(self._position)
        data = self._file.read(size)
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position, and return it."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError(f"expected a position of at least 0, got {start + offset}")
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def __enter__(self) -> StreamReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the stream open: it is the caller's."""
