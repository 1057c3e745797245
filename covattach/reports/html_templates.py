"""Pieces for coverage's HTML templates, so that pages mark the lines that ran at import.

    page(text), index(text)     coverage's pyfile.html and index.html with the pieces in them

Each piece stands beside one of coverage's.  If that is missing, as in another version of coverage,
OtherTemplate is raised.  The pieces use these names.  `row` is the Row of the page's file.
`region` and `totals` are coverage's own for a line of an index and for all of them.  `|at_import`
and so on are the fields of these names of their Row.  `noun|is_file` says whether an index is that
of files.
"""

from __future__ import annotations

from collections.abc import Sequence

STYLE = """\
<style>
    #index .legend { font-family: sans-serif; color: #666; margin-top: 1em; }
    #index th { white-space: nowrap; }
    header h1 .functions { font-size: .75em; font-weight: normal; margin-left: .5em; }
    header button.imp, header button.may { background: #f1f7fd; }
    header button.imp.show_imp, header button.may.show_may
        { background: #e0eefb; border: 2px solid #3b82c4; margin: 0 .1em; }
    header button.may.show_may { border-style: dashed; }
    #source p.imp .t { border-left: 0.2em solid #3b82c4; }
    #source p.may .t { border-left: 0.2em dashed #3b82c4; }
    #source p.imp2 .t { border-left-style: dotted; }
    #source p.imp.show_imp .t { background: #e0eefb; }
    #source p.imp.imp2.show_imp .t { background: #f1f7fd; }
    #source p.may.show_may .t
        { background: repeating-linear-gradient(135deg, #e0eefb 0 .3em, transparent .3em .7em); }
    @media (prefers-color-scheme: dark) {
        header button.imp, header button.may, header button.imp.show_imp, header button.may.show_may
            { background: #17324d; }
        #source p.imp.show_imp .t { background: #17324d; }
        #source p.imp.imp2.show_imp .t { background: #18283a; }
        #source p.may.show_may .t { background:
            repeating-linear-gradient(135deg, #17324d 0 .3em, transparent .3em .7em); }
    }
</style>
"""
# coverage's script looks after its own buttons only; it is deferred, and done before this event.
SCRIPT = """\
<script>
    document.addEventListener("DOMContentLoaded", function () {
        document.querySelectorAll(".button_toggle_imp, .button_toggle_may").forEach(
            button => button.addEventListener("click", coverage.toggle_lines)
        );
    });
</script>
"""
FUNCTIONS = """
            {% if WHAT|in_functions %}
            <span class="functions" title="How much of the bodies of functions ran: what could \
still run after the attach">({{WHAT|functions_shown}}% of functions)</span>
            {% endif %}
"""
BUTTONS = """\
<button type="button" class="{{category.imp}} button_toggle_imp" value="imp" data-shortcut="i" \
title="Toggle lines that ran at import, before the attach">{{row|at_import}}\
<span class="text"> at import</span></button>
            {% if row|undecided %}
            <button type="button" class="{{category.may}} button_toggle_may" value="may" \
data-shortcut="w" title="Toggle lines that may have run at import: the source does not tell">\
{{row|undecided}}<span class="text"> perhaps at import</span></button>
            {% endif %}
            """
NEVER = '{{row|never_seen}}<span class="text"> never seen</span>'
HEAD_AT_IMPORT = """\
{% if noun|is_file %}
                <th id="at_import" aria-sort="none" data-default-sort-order="descending" \
title="Of the missing: ran at import, before the attach">at import<span class="arrows"></span></th>
                {% endif %}
                """
HEAD_FUNCTIONS = """\
{% if noun|is_file %}
                <th id="functions" aria-sort="none" \
title="How much of the bodies of functions ran">functions<span class="arrows"></span></th>
                {% endif %}
                """
AT_IMPORT = "\n{% if noun|is_file %}<td>{{WHAT|at_import}}</td>{% endif %}"
CELL = """\
{% if noun|is_file %}
                <td data-ratio="{{WHAT|ran_in_functions}} {{WHAT|in_functions}}">\
{% if WHAT|in_functions %}{{WHAT|functions_shown}}%{% else %}-{% endif %}</td>
                {% endif %}
                """
COLUMNS = """\
colspan="{% if noun|is_file %}{% if has_arcs %}5{% else %}4{% endif %}{% else %}\
{% if has_arcs %}4{% else %}3{% endif %}{% endif %}">Statements"""
LEGEND = """\
<p class="legend">Missing: did not run while it was measured. At import: those of the missing
    that ran before, when modules were imported. Functions: how much of their bodies ran.</p>

    """
PERCENT = '<span class="pc_cov">{{%s.pc_covered_str}}%%</span>'

# (a part of coverage's template, the piece before it, the piece after it)
PAGE = (
    ("</head>", STYLE + SCRIPT, ""),
    (PERCENT % "nums", "", FUNCTIONS),
    ('<button type="button" class="{{category.mis}} button_toggle_mis"', BUTTONS, ""),
    ("<kbd>x</kbd>", "<kbd>i</kbd>\n                        ", ""),
)
INDEX = (
    ("</head>", STYLE, ""),
    (PERCENT % "totals", "", FUNCTIONS),
    ('<th id="excluded"', HEAD_AT_IMPORT, ""),
    ('<th id="coverage"', HEAD_FUNCTIONS, ""),
    ("<td>{{region.nums.n_missing}}</td>", "", AT_IMPORT),
    ('<td data-ratio="{{region.nums.ratio_covered|pair}}">', CELL, ""),
    ("<td>{{totals.n_missing}}</td>", "", AT_IMPORT),
    ('<td data-ratio="{{totals.ratio_covered|pair}}">', CELL, ""),
    ('<p id="no_rows">', LEGEND, ""),
)
# (a part of coverage's template, the piece that replaces it)
PAGE_INSTEAD = (('{{nums.n_missing}}<span class="text"> missing</span>', NEVER),)
INDEX_INSTEAD = (
    ('colspan="{% if has_arcs %}4{% else %}3{% endif %}">Statements', COLUMNS),
    ("<th>Total</th>", '<th{% if noun|is_file %} colspan="2"{% endif %}>Total</th>'),
)


class OtherTemplate(Exception):
    """The template is another one, in this version of coverage."""


def page(text: str) -> str:
    """Return the template of a source file's page with our pieces; raises OtherTemplate."""
    return with_pieces(text, PAGE, PAGE_INSTEAD, "row")


def index(text: str) -> str:
    """Return the template of an index with our pieces; raises OtherTemplate."""
    return with_pieces(text, INDEX, INDEX_INSTEAD, "totals")


def with_pieces(
    text: str, beside: Sequence[tuple[str, str, str]], instead: Sequence[tuple[str, str]], what: str
) -> str:
    """Return the text with the pieces in it; `what` replaces WHAT in pieces outside a region."""
    for place, before, after in beside:
        about = "region" if "region" in place else what
        pieces = (piece.replace("WHAT", about) for piece in (before, place, after))
        text = replaced(text, place, "".join(pieces))
    for place, piece in instead:
        text = replaced(text, place, piece)
    return text


def replaced(text: str, place: str, piece: str) -> str:
    """Return the text with `place` replaced; raises OtherTemplate if it is not there just once."""
    if text.count(place) != 1:
        raise OtherTemplate(f"{text.count(place)} times in coverage's template: {place}")
    return text.replace(place, piece)
