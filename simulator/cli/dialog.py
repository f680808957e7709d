"""Questions on a terminal for the options of a command, each checked as soon as it is answered."""

import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import typer

WIDTH = 100
"""Columns in which possible answers are listed."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question for the value of a flag."""

    flag: str
    text: str
    default: str | None = None
    many: bool = False
    """Whether several values may be answered, with commas between them."""


class Dialog:
    """Asks for what the flags of a command leave open, and keeps what was answered."""

    def __init__(self, command: str, given: Mapping[str, str | Sequence[str] | None]) -> None:
        self._command = command
        self._interactive = sys.stdin.isatty()
        self._answers = {
            flag: [value] if isinstance(value, str) else list(value)
            for flag, value in given.items()
            if value
        }

    def ask_all(self, questions: Sequence[Question]) -> dict[str, list[str]]:
        """Return all answers by flag: the given values, and those to the questions still open.

        Raises
        ------
        InputError
            When a given value is not valid.
        BadParameter
            When values are missing and there is no terminal to ask on.
        """
        from simulator.library.scenarios import check_answers

        missing = [q for q in questions if q.flag not in self._answers]
        if missing and not self._interactive:
            flags = ", ".join(f"--{question.flag}" for question in missing)
            raise typer.BadParameter(f"missing {flags}")
        check_answers(self._answers)
        if missing:
            _say("Enter takes the value in brackets, ? lists the possible answers.")
        for question in missing:
            self._answers[question.flag] = self._ask(question)
        return self._answers

    def _ask(self, question: Question) -> list[str]:
        """Ask until the answer is valid together with those before."""
        from simulator.errors import InputError
        from simulator.library.scenarios import answer_choices, check_answers

        while True:
            text = typer.prompt(question.text, default=question.default, err=True).strip()
            if text == "?":
                _say(_listed(answer_choices(question.flag)))
                continue
            parts = [part.strip() for part in text.split(",")] if question.many else [text]
            parts = [part for part in parts if part]
            try:
                check_answers({**self._answers, question.flag: parts})
            except InputError as error:
                _say(str(error))
            else:
                if parts:
                    return parts

    @contextmanager
    def kept(self, arguments: Sequence[str]) -> Iterator[None]:
        """Print the command line that goes on from here if the block fails or is interrupted."""
        before = dict(self._answers)
        try:
            yield
        except BaseException:
            if self._answers != before:
                flags = [
                    part
                    for flag, values in self._answers.items()
                    for value in values
                    for part in (f"--{flag}", value)
                ]
                line = shlex.join([*arguments, *flags])
                _say(f"\nto go on from here: {self._command} {line}")
            raise


def _listed(names: Sequence[str]) -> str:
    """Return names in lines of a terminal's width."""
    lines = [""]
    for name in names:
        if lines[-1] and len(lines[-1]) + len(name) + 2 > WIDTH:
            lines.append("")
        lines[-1] += f", {name}" if lines[-1] else name
    return ",\n".join(lines)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
