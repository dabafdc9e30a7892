"""The pictures of the README and the docs: made from a commit, by one command."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
#: A picture of a page, and the file that the script writes.
SHOWN, MADE = re.compile(r"!\[[^]]*\]\(([^)\s]+)\)"), re.compile(r'"\$out/(\w+\.png)"')
#: Pages that `wam report` and `wam study` write whole, pictures included, from trainings of days.
WRITTEN = ("report", "study_")


def shown() -> set[Path]:
    written_by_hand = (page for page in (ROOT / "docs").glob("*.md") if not page.name.startswith(WRITTEN))
    pages = (ROOT / "README.md", *written_by_hand)
    return {(page.parent / name).resolve() for page in pages for name in SHOWN.findall(page.read_text())}


def test_every_picture_that_is_shown_is_made_by_the_script() -> None:
    """Prevents: a picture by hand, of which nobody knows the commit; a link to a picture that is gone."""
    made = {ROOT / "docs/images" / name for name in MADE.findall((ROOT / "scripts/pictures.sh").read_text())}
    assert shown() and shown() == made
    assert all(picture.is_file() for picture in made)
