"""Too little memory, which has many words."""

import re


def lacks_memory(error: BaseException) -> bool:
    """Whether an error, of Python, of PyTorch or of CUDA, says that memory could not be had."""
    words = "out of memory|not enough memory|(can't|annot) allocate memory"
    return isinstance(error, MemoryError) or re.search(words, str(error)) is not None
