"""Print Aider's leaderboard as the table that is shipped: comments of provenance, then totals.

Run ``python tools/leaderboard.py polyglot_leaderboard.yml``, and write the output to
``simulator/scenario/tables/evaluations/aider-polyglot.csv``.
"""

import csv
import io
import sys
from pathlib import Path

from simulator.scenario.tables.leaderboard import TOTALS, read_leaderboard

_PROVENANCE = """\
# source: https://github.com/Aider-AI/aider, aider/website/_data/polyglot_leaderboard.yml
# licence: Apache-2.0, https://www.apache.org/licenses/LICENSE-2.0
# as_of: {as_of}
# Measured by its authors on 225 Exercism tasks with two attempts. Made by tools/leaderboard.py:
# some columns only; a cost of 0 is unknown, and blank.
"""


def leaderboard_csv(path: Path) -> str:
    """Return the leaderboard of a file as CSV."""
    table = read_leaderboard(path)
    text = io.StringIO()
    text.write(_PROVENANCE.format(as_of=table.as_of))
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*TOTALS[:3], "solved_1", "solved_2", *TOTALS[3:]])
    for row in table.rows:
        totals = (row.input_tok * row.tasks, row.output_tok * row.tasks, row.usd * row.tasks)
        figures = ("" if x != x else f"{x:.10g}" for x in (*totals, row.seconds))
        writer.writerow([row.model, row.date, row.tasks, *row.solved, *figures])
    return text.getvalue()


if __name__ == "__main__":
    print(leaderboard_csv(Path(sys.argv[1])), end="")
