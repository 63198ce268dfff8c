"""Document number n of the help desk: the same in every size of the sample."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from . import company
from .draws import Draws
from .planted import LETTERS, planted
from .texts import Case, Texts, texts
from .writing import LAYOUTS, Slots

COLUMNS = (
    *("id", "workspace_id", "workspace", "project_id", "project", "author_id", "author", "kind", "language"),
    *("title", "content", "sku", "error_code", "status", "priority", "created_at", "metadata", "first_report"),
)
_KINDS = ("ticket",) * 7 + ("article", "runbook", "release note")
_STATUSES = ("open", "in progress", "waiting", "closed")
_PRIORITIES = ("low",) * 2 + ("normal",) * 5 + ("high",) * 2 + ("urgent",)
_PHYSICAL = frozenset({"printing", "hardware", "mobile", "backups"})  # topics of things that have an article number
_CHANNELS = ("portal", "portal", "mail", "phone", "chat")
_FIRST_DAY, _DAYS, _DAY = 1_609_459_200, 1_642, 86_400  # 2021-01-01 until 2025-06-30, in seconds
_REPEATED = 12  # percent of the documents that may repeat an earlier one; tickets are, others are not
_RETOLD = ("time", "weekday", "until", "colleague", "helper", "people", "room")


@dataclass(frozen=True, slots=True)
class Draft:
    """A document before its text is put together; ``lines`` have {slots}."""

    kind: str
    told: Texts
    case: Case
    workspace: company.Workspace
    title: str
    lines: tuple[str, ...]
    slots: Slots
    solved: bool
    error_code: str | None
    sku: str | None
    created: int  # seconds since 1970
    first_report: int

    def content(self) -> str:
        """Return the text."""
        return "\n".join(self.lines).format_map(self.slots)


def row(n: int) -> tuple[Any, ...]:
    """Return the values of COLUMNS of document ``n``, from 1; ``created_at`` in seconds since 1970."""
    draws = Draws(f"row {n}")
    draft, content = _told(n)
    workspace = draft.workspace
    ticket = draft.kind == "ticket"
    title = draft.title.replace("{title}", draws.pick(draft.case.title)).format_map(draft.slots)
    status = "published" if not ticket else "closed" if draft.solved else draws.pick(_STATUSES[:3])
    metadata = {
        "tags": [draft.case.topic, draft.slots["product"]],
        "channel": draws.pick(_CHANNELS) if ticket else "editors",
        "version": draft.slots["version"],
        "views": draws.below(1 + draws.below(1 + draws.below(2000))),
    }
    return (
        *(n, workspace.id, workspace.name, *draws.pick(workspace.projects), *draws.pick(workspace.users)),
        *(draft.kind, draft.told.language, title, content, draft.sku, draft.error_code),
        *(status, draws.pick(_PRIORITIES), draft.created, metadata, draft.first_report),
    )


def _told(n: int) -> tuple[Draft, str]:
    draft = _repeat(n)
    if draft is None:
        draft = _original(n)
        return draft, draft.content()
    return _edited(draft, n)


def _repeat(n: int) -> Draft | None:
    """Return the ticket that document ``n`` reports again, the first of all reports; None when it is a first one."""
    draws = Draws(f"repeat {n}")
    if n == 1 or n in planted() or not draws.chance(_REPEATED):
        return None
    earlier = 1 + draws.below(n - 1)
    if earlier in planted():
        return None
    first = _repeat(earlier) or _original(earlier)
    return first if first.kind == "ticket" else None


def _edited(first: Draft, n: int) -> tuple[Draft, str]:
    """Return a ticket as it is told the next time: another hour or name, a word before it, a slip of the pen."""
    draws = Draws(f"edit {n}")
    other = Slots(first.told, f"retold {n}")
    slots = first.slots.but({name: other[name] for name in draws.two(_RETOLD)})
    later = first.created + 3600 + draws.below(14 * _DAY)
    draft = replace(first, slots=slots, created=later)
    if draws.chance(50):
        return draft, f"{draws.pick(first.told.phrases['again']).format_map(slots)}\n{draft.content()}"
    return draft, _with_slip(draft.content(), draws)


def _with_slip(text: str, draws: Draws) -> str:
    """Return a text in which two letters of a word have changed places."""
    words = text.split(" ")
    long = [at for at, word in enumerate(words) if len(word) > 4 and word.isalpha()]
    at = draws.pick(long)
    word, cut = words[at], 1 + draws.below(len(words[at]) - 2)
    words[at] = word[:cut] + word[cut + 1] + word[cut] + word[cut + 2 :]
    return " ".join(words)


def _original(n: int) -> Draft:
    wanted = planted().get(n)
    # A planted document and its translation follow from one key: they say the same.
    key = f"document {n}" if wanted is None else f"pair {wanted.pair}"
    draws = Draws(key)
    workspace = company.drawn(draws)
    if wanted is None:
        told = texts()[draws.chance(workspace.german)]
        case = draws.pick(told.common)
        code, sku = _codes(told, case, draws)
    else:
        told, case, code, sku = texts()[wanted.language], wanted.case, wanted.error_code, wanted.sku
    slots = Slots(told, f"slots of {key}")
    slots.update(code=code or "", sku=sku or "")
    machine = case.kind == "machine"
    # A lift has no browser, and nobody writes release notes of it.
    phrases, kind = (told.plain, draws.pick(_KINDS[:-1])) if machine else (told.phrases, draws.pick(_KINDS))
    evidence = phrases["code" if code else "part"] if code or sku else ()
    title, lines, solved = LAYOUTS[kind](phrases, case, evidence, draws)
    created = _FIRST_DAY + draws.below(_DAYS) * _DAY + 6 * 3600 + draws.below(12 * 3600)
    return Draft(kind, told, case, workspace, title, lines, slots, solved, code, sku, created, n)


def _codes(told: Texts, case: Case, draws: Draws) -> tuple[str | None, str | None]:
    """Return the error code and the article number of a document: at most one; each case has its own error codes."""
    chance = draws.below(100)
    if chance < 40 and case.topic in _PHYSICAL:
        return None, f"{draws.pick(LETTERS)}-{100 + 50 * draws.below(16)}-{draws.pick('ABCD')}"
    if chance < 60:
        return f"E-{10 + 2 * case.number + draws.below(2)}{draws.below(1 + draws.below(50)):02}", None
    return None, None
