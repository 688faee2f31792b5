"""Files, as they are opened here: regular ones of a bounded size, and written so that a reader never sees half of one.

Below a `root`, such as a run directory, no link is followed: what somebody put there cannot lead out of it.
"""

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path

TEMPORARY = ".lth-half-written"  # how the name of a file ends until all of it is there
_HALF_WRITTEN = re.compile(rf"\.(.+)\.[0-9]+{re.escape(TEMPORARY)}")
_NOFOLLOW, _DIRECTORY = getattr(os, "O_NOFOLLOW", 0), getattr(os, "O_DIRECTORY", 0)
# A pipe that nobody writes must not block, and a terminal must not become ours.
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
_LARGE, _HOLES = 2**24, 16  # from so many bytes on, a file that is so many times as large as what is there has holes
_held: dict[str, int] = {}  # the folders that are held open, by their absolute names
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW | getattr(os, "O_BINARY", 0)


@contextmanager
def held(root: Path, above: Path | None = None, only: tuple[int, int] | None = None) -> Iterator[None]:
    """Hold a folder open: below this root, all is read and written in this very folder, whatever takes its name later.

    Args:
        above: the folder from which on no link is followed on the way to it; None: the way is the caller's own.
        only: what `identity` says of the folder that it must be; None: any.

    Raises:
        OSError: naming `root`.
    """
    if os.open not in os.supports_dir_fd:  # Windows
        yield
        return
    with _naming(root), _folder(root / "x", root if above is None else above) as (opened, _):
        assert opened is not None
        if only not in (None, _identity(os.fstat(opened))):
            raise OSError(errno.ENOENT, "another folder has taken its name")
        folder = os.dup(opened)
    name = os.path.abspath(root)
    _held[name] = folder
    try:
        yield
    finally:
        del _held[name]
        os.close(folder)


def identity(root: Path) -> tuple[int, int]:
    """By what a folder, if it is held, is told from another of its name, on one machine."""
    return _identity(os.stat(_held.get(os.path.abspath(root), root)))


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def open_regular(path: Path, most: int, root: Path | None = None) -> BufferedReader:
    """Open a file to read it.

    Args:
        most: bytes that it may have.
        root: the folder below which no link is followed; None: links are.

    Raises:
        OSError: naming `path`; it is a folder, a pipe, a device, too large, or a link below `root`.
    """
    with _naming(path), _folder(path, root) as (folder, name):
        _check(os.stat(name, dir_fd=folder, follow_symlinks=root is None), most)  # to open a device may do something
        file = os.fdopen(os.open(name, _READ | (_NOFOLLOW if root is not None else 0), dir_fd=folder), "rb")
        try:
            _check(os.fstat(file.fileno()), most)
            _refuse_holes(file.fileno())
        except OSError:
            file.close()
            raise
        return file


def read(path: Path, most: int, root: Path | None = None) -> bytes:
    """What is in a file, as large as it says it is; arguments and errors as of `open_regular`."""
    with open_regular(path, most, root) as file:
        return file.read(os.fstat(file.fileno()).st_size)  # it may grow meanwhile; one of the system may have no end


def make_dir(path: Path, root: Path | None = None) -> None:
    """Make one folder, if it is missing; its parent must be there, so that a vanished run is never begun anew.

    Raises:
        OSError: naming `path`; there is something else, such as a link below `root`.
    """
    with _naming(path), _folder(path, root) as (folder, name):
        try:
            os.mkdir(name, dir_fd=folder)
        except FileExistsError:
            if root is not None and not stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                raise OSError(errno.ENOTDIR, "not a folder") from None
            return
        _flush(path.parent, folder)


def write(path: Path, data: bytes, root: Path | None = None) -> None:
    """Write under a temporary name, flush, and rename; the folder must be there.

    Args:
        root: the folder below which no link is followed; a link in place of the file itself is replaced.

    Raises:
        OSError: naming `path`.
    """
    with _naming(path), _folder(path, root) as (folder, name):
        temporary = os.path.join(os.path.dirname(name), f".{path.name}.{os.getpid()}{TEMPORARY}")
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=folder)
        try:
            with os.fdopen(os.open(temporary, _WRITE, 0o666, dir_fd=folder), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
            _flush(path.parent, folder)
        finally:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=folder)


def remove(path: Path, root: Path) -> None:
    """Remove a file below a folder, if it is there, or an empty folder; no link is followed on the way.

    Raises:
        OSError: naming `path`, as where a folder holds something.
    """
    with _naming(path), _folder(path, root) as (folder, name), suppress(FileNotFoundError):
        if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            os.rmdir(name, dir_fd=folder)
        else:
            os.unlink(name, dir_fd=folder)


def remove_temporary(root: Path, writes: Callable[[str], bool]) -> None:
    """Remove what a killed writer left half written below a folder, and nothing else.

    Args:
        writes: whether a file of this name, relative to `root`, is one of its.
    """
    for file in map(Path, list(below(root))):
        found = _HALF_WRITTEN.fullmatch(file.name)
        if found is not None and writes((file.parent / found[1]).relative_to(root).as_posix()) and file.is_file():
            remove(file, root)


def below(root: Path) -> Iterator[os.DirEntry[str]]:
    """What is below a folder and is no folder, however deep: regular files, links, pipes, sockets, devices."""
    folders = [str(root)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    yield entry


def _check(found: os.stat_result, most: int) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise OSError(errno.ELOOP, "a link, which is not followed here")
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "not a file")
    if found.st_size > most:
        raise OSError(errno.EFBIG, f"{found.st_size:,} bytes; at most {most:,} are read")


def _refuse_holes(opened: int) -> None:
    """A file of few bytes may stand for gigabytes; what is compressed, or not on the disk yet, has no holes."""
    found = os.fstat(opened)
    there = getattr(found, "st_blocks", found.st_size) * 512
    if found.st_size <= _LARGE or there >= found.st_size // _HOLES or not hasattr(os, "SEEK_HOLE"):
        return
    first = found.st_size
    with suppress(OSError):  # a file system that cannot tell
        first = os.lseek(opened, 0, os.SEEK_HOLE)
    os.lseek(opened, 0, os.SEEK_SET)
    if first < found.st_size:
        raise OSError(errno.EINVAL, f"{found.st_size:,} bytes, of which {there:,} are there: a file with holes")


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Let an error name the whole path."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


@contextmanager
def _folder(path: Path, root: Path | None) -> Iterator[tuple[int | None, str]]:
    """The folder of a file, open, and the file's name in it; without a root, None and the whole path."""
    if root is None:
        yield None, str(path)
        return
    *folders, name = path.relative_to(root).parts
    if ".." in (*folders, name):
        raise OSError(errno.EINVAL, f"not below {root}")
    if os.open not in os.supports_dir_fd:  # Windows
        if any(parent.is_symlink() for parent in path.parents if parent.is_relative_to(root) and parent != root):
            raise OSError(errno.ELOOP, "a link, which is not followed here")
        yield None, str(path)
        return
    there = _held.get(os.path.abspath(root)) if _held else None
    opened = os.open(root, os.O_RDONLY | _DIRECTORY) if there is None else os.dup(there)
    try:
        for folder in folders:
            outer, opened = opened, _inner(folder, opened)
            os.close(outer)
        yield opened, name
    finally:
        os.close(opened)


def _inner(folder: str, outer: int) -> int:
    if stat.S_ISLNK(os.stat(folder, dir_fd=outer, follow_symlinks=False).st_mode):
        raise OSError(errno.ELOOP, "a link, which is not followed here")
    return os.open(folder, os.O_RDONLY | _DIRECTORY | _NOFOLLOW, dir_fd=outer)


def _flush(path: Path, opened: int | None) -> None:
    """A rename is on the disk only when its folder is; where a folder cannot be opened (Windows), it has no say."""
    if os.name == "nt":
        return
    folder = os.open(path, os.O_RDONLY) if opened is None else opened
    try:
        os.fsync(folder)
    finally:
        if opened is None:
            os.close(folder)
