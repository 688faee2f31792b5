"""`lth completion SHELL`: what a shell evaluates, and what may follow a line that is being typed.

The functions of the shells ask ``lth -sc query=SHELL``, as Hydra's own do, with the line up to the cursor in COMP_LINE,
for one word per line. Where there is none, they propose files.
"""

import re
import shlex
from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Callable, Iterable

BASH = r"""
_lth() {
    local line="${COMP_LINE:0:COMP_POINT}" IFS=$'\n'
    local word="${line##* }"
    COMPREPLY=($(COMP_LINE="$line" "$1" -sc query=bash 2>/dev/null))
    [[ "${COMPREPLY[0]}" == *[=./] ]] && compopt -o nospace 2>/dev/null
    # Where = parts words, as it does unless that was changed, only what follows it is replaced.
    [[ "$COMP_WORDBREAKS" == *=* ]] && COMPREPLY=("${COMPREPLY[@]#"${word%"${word##*=}"}"}")
    return 0
}
complete -o default -F _lth lth
"""
ZSH = r"""
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
_lth() {
    local -a found
    found=("${(@f)$(COMP_LINE="${(j: :)words[1,CURRENT-1]} $PREFIX" $words[1] -sc query=zsh 2>/dev/null)}")
    if [[ -n $found ]]; then
        compadd -S '' -- "${(@M)found:#*[=./]}"
        compadd -- "${(@)found:#*[=./]}"
    else
        compset -P '*='
        _files
    fi
}
compdef _lth lth
"""
FISH = r"""
function __lth
    set -l lth (commandline -opc)[1]
    set -l word (commandline -ct)
    if not COMP_LINE=(commandline -cp) $lth -sc query=fish 2>/dev/null | string match -r '.+'
        set -l file (string replace -r '.*=' '' -- $word)
        string replace -r '^' (string replace -r '[^=]*$' '' -- $word) -- (__fish_complete_path $file)
    end
end
complete -c lth -f -a '(__lth)'
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}

_LISTED = re.compile(r"(?P<key>[^=]+=)(?P<before>\[?([^,]*,)*)(?P<last>[^,]*)")


def split(line: str) -> tuple[list[str], str]:
    """The words before the one that the cursor is in, without the program's name, and that one; it may be empty.

    Raises:
        ValueError: a quote is not closed.
    """
    words = shlex.split(line)
    word = words.pop() if len(words) > 1 and not line.endswith(" ") else ""
    return words[1:], word


def proposals(parser: ArgumentParser, words: list[str], word: str) -> list[str]:
    """What may stand in place of `word` after `words`: a command, an option, or one of the choices of either."""
    for action in parser._actions:
        if isinstance(action, _SubParsersAction) and words and words[0] in action.choices:
            return proposals(action.choices[words[0]], words[1:], word)
    options = {name: action for action in parser._actions for name in action.option_strings}
    asking = options.get(words[-1]) if words else None
    found: Iterable[str]
    if asking is not None and asking.nargs != 0:
        found = asking.choices or ()
    elif word.startswith("-"):
        found = options
    else:
        free = [action for action in parser._actions if not action.option_strings]
        found = [choice for action in free for choice in action.choices or ()]
    return sorted(name for name in found if name.startswith(word))


def of_a_list(word: str, ask: Callable[[str], Iterable[str]]) -> list[str]:
    """What may stand in place of ``key=a,b``, where `ask` says what may stand in place of ``key=b``."""
    found = _LISTED.fullmatch(word)
    if found is None:
        return list(ask(word))
    key, before = found["key"], found["before"]
    return [key + before + one.removeprefix(key) for one in ask(key + found["last"])]
