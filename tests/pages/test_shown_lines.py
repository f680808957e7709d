"""Lines that pages show follow the outputs, and nothing else of a page changes."""

from pathlib import Path

import pytest
from outputs import filled_page
from shown_lines import PageError, renewed

PRINTED = """\
option   $/month   SLO
api       22,730   99%
own       18,164  100%
hybrid    14,101   95%

BREAK-EVEN  self-hosting beats the API from 6.71M requests/month [4.4M to
            19.8M]; you are at 11M
SPLIT       99% of tokens on 1 own replica""".splitlines()


@pytest.mark.parametrize(
    "shown",
    [
        [],
        PRINTED,
        [*PRINTED[:2], "..."],
        ["...", PRINTED[3], "...", PRINTED[-1]],
        ["...", *PRINTED[5:7], "..."],
        [PRINTED[0], "...", PRINTED[2], "..."],
    ],
)
def test_lines_that_are_printed_stay(shown: list[str]) -> None:
    assert renewed(shown, PRINTED) == shown


@pytest.mark.parametrize(
    ("shown", "wanted"),
    [
        (["option  $/month", "api      9"], PRINTED),
        (["...", "own       17,964   98%", "..."], ["...", PRINTED[2], "..."]),
        (["...", "hybrid    13,964   97%", "...", "SPLIT       100% of tokens on 2 replicas"],
         ["...", PRINTED[3], "...", PRINTED[-1]]),
        # A sentence that is wrapped elsewhere.
        (["...", "BREAK-EVEN  self-hosting beats the API from 6M requests/month [4M to 9M]; "
          "you are at 11M", "..."],
         ["...", *PRINTED[5:7], "..."]),
        (["option   $/month  SLO", "...", "own       17,964   98%", "..."],
         [PRINTED[0], "...", PRINTED[2], "..."]),
        # Lines of a part are next to one another, and outer parts at the ends of the output.
        ([PRINTED[0], PRINTED[2], "..."], [*PRINTED[:3], "..."]),
        (["...", PRINTED[-2]], ["...", *PRINTED[-2:]]),
    ],
)  # fmt: skip
def test_lines_that_are_no_longer_printed_follow_the_output(
    shown: list[str], wanted: list[str]
) -> None:
    assert renewed(shown, PRINTED) == wanted


@pytest.mark.parametrize("lines", [["NOTHING  like it at all"], [*PRINTED, *PRINTED, *PRINTED]])
def test_lines_without_a_counterpart_are_refused(lines: list[str]) -> None:
    with pytest.raises(PageError):
        renewed(["...", *lines, "..."], PRINTED)


PAGE = """\
# A page

```console
$ breakeven validate mine.yaml
mine: valid, 1 option
...
```

A file, code, what it prints, and commands that are not run:

```yaml
# file: mine.yaml
extends: quickstart
name: mine
```

```console
$ breakeven validate mine.yaml
mine: valid, 1 option
...
$ breakeven validate quickstart
```

```python
print("a sum of", 1 + 2)
```

```text
a sum of 4
```

```bash
breakeven validate nothing
```

The end.
"""


def test_a_page_is_filled_in_and_stays_otherwise(tmp_path: Path) -> None:
    page = PAGE.partition("A file")[2]
    wanted = page.replace("valid, 1 option", "valid, 4 options").replace("of 4", "of 3")
    assert wanted != page
    assert filled_page(page, tmp_path) == wanted
    assert filled_page(wanted, tmp_path) == wanted


def test_a_command_that_fails_is_named(tmp_path: Path) -> None:
    """The file is only written after the first command."""
    with pytest.raises(PageError, match=r"^breakeven validate mine\.yaml: "):
        filled_page(PAGE, tmp_path)
