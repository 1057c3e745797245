"""Completion in bash with an explanation of each word, as click's own has in zsh and fish."""

from __future__ import annotations

from click.shell_completion import BashComplete, CompletionItem, add_completion_class

LONGEST = 70  # characters of an explanation
SOURCE = """\
%(complete_func)s() {
    local response line
    response=$(env COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD \\
        %(complete_var)s=bash_complete $1)
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in
            dir,*) compopt -o dirnames ;;
            file,*) compopt -o default ;;
            plain,*) COMPREPLY+=("${line#plain,}") ;;
        esac
    done <<< "$response"
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class Bash(BashComplete):
    """Explains words as long as there are several: bash inserts their common beginning."""

    source_template = SOURCE

    def complete(self) -> str:
        """Return the lines that the script reads."""
        found = self.get_completions(*self.get_completion_args())
        return "\n".join(self.line(item, is_explained=len(found) > 1) for item in found)

    def line(self, item: CompletionItem[str], is_explained: bool) -> str:
        """Return one line: a kind, and a word with its explanation."""
        explanation = f"  ({item.help[:LONGEST]})" if item.help and is_explained else ""
        return f"{self.format_completion(item)}{explanation}"


def register() -> None:
    """Have click use it."""
    add_completion_class(Bash)
