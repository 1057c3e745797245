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
    """Completion for bash that explains the words, but only if there are several.

    A single word is inserted by bash, and so would be its explanation.
    """

    source_template = SOURCE

    def complete(self) -> str:
        """Return the completions, one a line, as the script in SOURCE reads them."""
        found = self.get_completions(*self.get_completion_args())
        return "\n".join(self.line(item, is_explained=len(found) > 1) for item in found)

    def line(self, item: CompletionItem[str], is_explained: bool) -> str:
        """Return one completion as a line: its kind, the word, and maybe its explanation."""
        explanation = f"  ({item.help[:LONGEST]})" if item.help and is_explained else ""
        return f"{self.format_completion(item)}{explanation}"


def register() -> None:
    """Register this completion with click."""
    add_completion_class(Bash)
