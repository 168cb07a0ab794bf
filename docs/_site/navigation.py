"""The site's first page and its menu, both made of the lists in `index.md`.

Each heading there is a part of the menu, each link in its list a page. A page that no list names yet comes last, so that it
is found, and so that it breaks nothing.
"""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = "Reference"
NOT_LISTED = "More"
# Of the project's root, each as soon as it is there.
ROOT_PAGES = ("CHANGELOG", "CONTRIBUTING")


def parts_of(index: str, pages: set[str]) -> dict[str, list[str]]:
    """Return the pages below each heading of the index; what is not listed stands last."""
    parts: dict[str, list[str]] = {}
    for heading, text in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", index, re.MULTILINE | re.DOTALL):
        parts[heading] = re.findall(r"\]\((\S+?)\.md\)", text)
    listed = {page for part in parts.values() for page in part}
    reference = sorted(page for page in pages if page.startswith("reference/"))
    parts[REFERENCE] = [*parts.get(REFERENCE, []), *reference]
    more = sorted(pages - listed - set(reference) - {"index"})
    return {**parts, NOT_LISTED: more} if more else parts


def led(text: str, depth: int) -> str:
    """Return a page of the project's root as one of this folder: links to pages stay here, all others lead out of it.

    :param depth: how many folders below this one it is to be.
    """
    text = re.sub(r"\]\((?!docs/|https?:|#)", "](" + "../" * (depth + 1), text)
    return text.replace("](docs/", "](" + "../" * depth)


def at_home(text: str) -> str:
    """Return a page whose links to pages of the project's root lead to where these are in the site."""
    for name in ROOT_PAGES:
        text = text.replace(f"](../{name}.md", f"](reference/{name.lower()}.md")
    return re.sub(r"\]\(\.\./((?:\.\./)*)README\.md", r"](\1index.md", text)


def first_page(app: Sphinx, docname: str, source: list[str]) -> None:
    """Of the first page, make the README, then what these pages are, then the menu."""
    source[0] = at_home(source[0])
    if docname != "index":
        return
    parts = parts_of(source[0], set(app.env.found_docs))
    menu = [
        "```{toctree}\n:hidden:\n:caption: " + caption + "\n\n" + "\n".join(pages) + "\n```"
        for caption, pages in parts.items()
        if pages
    ]
    readme = at_home(led((ROOT / "README.md").read_text(encoding="utf-8"), 0))
    pages_of = re.sub(r"^#", "##", source[0], flags=re.MULTILINE)
    source[0] = "\n\n".join([readme, pages_of, *menu])


def setup(app: Sphinx) -> dict[str, bool]:
    """Join the build."""
    app.connect("source-read", first_page)
    # Its menu names the other pages, whether it has changed or not.
    app.connect("env-get-outdated", lambda *_: ["index"])
    return {"parallel_read_safe": True}
