"""Whether there is room for the work, where the memory of a process is limited (ulimit -v)."""

import mmap
import os

from lth_cli.core.faults import lack

_ROOM = 2**28  # bytes beside the libraries, which the smallest run takes


def check_room() -> None:
    """Raise MemoryError where the libraries and little more do not fit.

    Some of them end their process then, and nobody could tidy up: so they are imported in a child first.
    """
    try:
        import resource
    except ImportError:  # Windows
        return
    limits = [resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA)]
    if all(limit == resource.RLIM_INFINITY for limit in limits):
        return
    child = os.fork()
    if child == 0:
        code = 1
        try:
            for stream in (1, 2):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
            import lth_cli.command.run  # noqa: F401

            mmap.mmap(-1, _ROOM)
            code = 0
        except Exception as error:  # any other one comes again in the parent
            code = 1 if lack(error) else 0
        finally:
            os._exit(code)
    if os.waitpid(child, 0)[1] != 0:
        raise MemoryError
