"""Under which conditions somebody voted, checked against what a guideline should ask for.

The survey that jiqa follows (Amirshahi 2021) lists what a guideline for crowds should include:
reliability of the observers, viewing conditions, display, visual acuity and cultural background. A
session records them, and each check says "pass", "fail", or "unknown" where nothing was recorded,
with the recommendation whose demand it is: ITU-R BT.500-14 and BT.2022, ITU-T P.910 (2023) and
P.913 (2021).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from os import PathLike
from pathlib import Path
from types import NoneType
from typing import Any, Literal, NamedTuple, get_args, get_type_hints

from jiqa.subjective.ratings import listed

Environment = Literal["laboratory", "crowd"]
Status = Literal["pass", "fail", "unknown"]

FEWEST_OBSERVERS = {"laboratory": 24, "crowd": 35}
MOST_LUX = {"laboratory": (20.0, "P.910"), "crowd": (200.0, "BT.500, home environment")}
LUMINANCE = {"laboratory": (70.0, 250.0), "crowd": (70.0, 500.0)}
LONGEST_MINUTES = 30.0
LOWEST_ACUITY = 20 / 30
MOST_PLATES_MISSED = 2


@dataclass(frozen=True)
class Session:
    """One observer's conditions; what is None was not recorded.

    Attributes:
        observer: Name, as in the ratings.
        environment: "laboratory" or "crowd".
        viewing_distance: From the display, in metres.
        ambient_light: At the display, in lux.
        display_width: In pixels.
        display_height: In pixels.
        display_diagonal: In inches.
        peak_luminance: Of the display, in candela a square metre.
        gamut: Of the display, such as "sRGB".
        acuity: Decimal visual acuity with the observer's glasses, 1 is 20/20 (`decimal_acuity`).
        plates_missed: Wrong answers to plates for colour vision (Ishihara).
        country: Where the observer lives.
        language: The observer's own.
        instruction_language: In which the task was explained.
        age: In years.
        minutes: How long the session took without breaks.
        training_items: Stimuli shown for practice.
        random_order: Whether each observer had an order of one's own.
        test_items: Golden and repeated stimuli among the observer's.

    Raises:
        ValueError: An unknown environment, or a negative quantity.
    """

    observer: str
    environment: Environment = "crowd"
    viewing_distance: float | None = None
    ambient_light: float | None = None
    display_width: int | None = None
    display_height: int | None = None
    display_diagonal: float | None = None
    peak_luminance: float | None = None
    gamut: str | None = None
    acuity: float | None = None
    plates_missed: int | None = None
    country: str | None = None
    language: str | None = None
    instruction_language: str | None = None
    age: float | None = None
    minutes: float | None = None
    training_items: int | None = None
    random_order: bool | None = None
    test_items: int | None = None

    def __post_init__(self) -> None:
        """Checks what has few values, or cannot be negative."""
        if self.environment not in get_args(Environment):
            raise ValueError(
                f"environment {self.environment!r} of {self.observer} is neither laboratory nor "
                "crowd."
            )
        for name, value in vars(self).items():
            if isinstance(value, int | float) and not value >= 0:
                raise ValueError(f"{name}={value} of {self.observer} is negative.")

    @property
    def resolution(self) -> tuple[int, int] | None:
        """Width and height of the display in pixels."""
        if self.display_width is None or self.display_height is None:
            return None
        return self.display_width, self.display_height

    @property
    def pixels_per_degree(self) -> float | None:
        """Pixels of the display in a degree of visual angle."""
        if not (self.resolution and self.display_diagonal and self.viewing_distance):
            return None
        pitch = self.display_diagonal * 0.0254 / math.hypot(*self.resolution)
        return 2 * self.viewing_distance * math.tan(math.radians(0.5)) / pitch

    @property
    def languages(self) -> tuple[str, str] | None:
        """The observer's own and that of the instructions."""
        if self.language is None or self.instruction_language is None:
            return None
        return self.language, self.instruction_language


class Check(NamedTuple):
    """What is demanded of a session.

    Attributes:
        topic: Of the survey's list: "reliability", "viewing conditions", "display", "acuity",
            "culture", or "procedure".
        name: What is checked.
        value: What was recorded, or None.
        passes: Whether that is good enough.
        demand: What would be, with its origin.
    """

    topic: str
    name: str
    value: Callable[[Session], Any]
    passes: Callable[[Any], bool]
    demand: str


class Finding(NamedTuple):
    """What a check found.

    Attributes:
        topic: As in `Check`.
        name: As in `Check`.
        status: "pass", "fail" or "unknown".
        detail: What was found and what is demanded.
    """

    topic: str
    name: str
    status: Status
    detail: str


def checks_of(
    environment: Environment, stimulus_size: tuple[int, int] | None = None
) -> tuple[Check, ...]:
    """What is demanded of sessions in an environment.

    Args:
        environment: "laboratory" or "crowd".
        stimulus_size: Width and height of the images in pixels, if they have to fit the display.

    Returns:
        The checks, in the order of the survey's list.
    """
    lux, source = MOST_LUX[environment]
    dark, bright = LUMINANCE[environment]
    width, height = stimulus_size or (0, 0)
    return (
        Check(
            "reliability",
            "golden or repeated items",
            lambda s: s.test_items,
            lambda items: items > 0,
            "at least one",
        ),
        Check(
            "viewing conditions",
            "ambient light in lux",
            lambda s: s.ambient_light,
            lambda light: light <= lux,
            f"at most {lux:g} ({source})",
        ),
        Check(
            "viewing conditions",
            "pixels a degree",
            lambda s: s.pixels_per_degree,
            lambda _: True,
            "recorded (P.910)",
        ),
        Check(
            "display",
            "resolution",
            lambda s: s.resolution,
            lambda size: size[0] >= width and size[1] >= height,
            f"at least the images' {width} x {height}" if stimulus_size else "recorded (P.910)",
        ),
        Check(
            "display",
            "peak luminance in cd/m2",
            lambda s: s.peak_luminance,
            lambda luminance: dark <= luminance <= bright,
            f"from {dark:g} to {bright:g} (BT.2022)",
        ),
        Check("display", "gamut", lambda s: s.gamut, lambda _: True, "recorded (BT.500)"),
        Check(
            "acuity",
            "visual acuity",
            lambda s: s.acuity,
            lambda acuity: acuity >= LOWEST_ACUITY - 0.005,  # decimals are rounded
            f"at least {LOWEST_ACUITY:.2f}, 20/30 (P.910)",
        ),
        Check(
            "acuity",
            "plates for colour vision missed",
            lambda s: s.plates_missed,
            lambda missed: missed <= MOST_PLATES_MISSED,
            f"at most {MOST_PLATES_MISSED} (P.910)",
        ),
        Check("culture", "country", lambda s: s.country, lambda _: True, "recorded (P.913)"),
        Check(
            "culture",
            "own language and that of the instructions",
            lambda s: s.languages,
            lambda languages: languages[0] == languages[1],
            "the same",
        ),
        Check(
            "procedure",
            "minutes without a break",
            lambda s: s.minutes,
            lambda minutes: minutes <= LONGEST_MINUTES,
            f"at most {LONGEST_MINUTES:g} (BT.500)",
        ),
        Check(
            "procedure",
            "training items",
            lambda s: s.training_items,
            lambda items: items > 0,
            "at least one (BT.500)",
        ),
        Check("procedure", "random order", lambda s: s.random_order, bool, "yes (BT.500)"),
    )


def check_session(
    session: Session, *, stimulus_size: tuple[int, int] | None = None
) -> list[Finding]:
    """Checks one observer's conditions.

    Args:
        session: The conditions.
        stimulus_size: Width and height of the images in pixels, if they have to fit the display.

    Returns:
        A finding a check.

    >>> found = check_session(Session("A", "laboratory", ambient_light=300.0))
    >>> [finding.detail for finding in found if finding.status == "fail"]
    ['300; at most 20 (P.910)']
    """
    found = []
    for topic, name, value, passes, demand in checks_of(session.environment, stimulus_size):
        recorded = value(session)
        if recorded is None:
            found.append(Finding(topic, name, "unknown", f"not recorded; {demand}"))
        else:
            status: Status = "pass" if passes(recorded) else "fail"
            found.append(Finding(topic, name, status, f"{_text(recorded)}; {demand}"))
    return found


def check_study(
    sessions: Sequence[Session], *, stimulus_size: tuple[int, int] | None = None
) -> list[Finding]:
    """Checks all sessions of a study together.

    Args:
        sessions: One an observer, all in one environment.
        stimulus_size: As in `check_session`.

    Returns:
        The number of observers, then a finding for each check of a session: it fails if one session
        does, else it is unknown if one session's is, and passes if all do.

    Raises:
        ValueError: No session, two of one observer, or laboratory and crowd together.

    >>> check_study([Session("A"), Session("B", minutes=45.0)])[0].detail
    '2; at least 35 in a crowd (P.913)'
    """
    if not sessions:
        raise ValueError("there are no sessions to check.")
    names = [session.observer for session in sessions]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"observer {listed(twice)} has more than one session.")
    environment = sessions[0].environment
    if any(session.environment != environment for session in sessions):
        raise ValueError("some sessions are of a laboratory and some of a crowd; check each apart.")
    fewest = FEWEST_OBSERVERS[environment]
    enough: Status = "pass" if len(sessions) >= fewest else "fail"
    demand = f"at least {fewest} in a {environment} (P.913)"
    found = [Finding("reliability", "observers", enough, f"{len(sessions)}; {demand}")]
    by_session = [check_session(session, stimulus_size=stimulus_size) for session in sessions]
    for check, same in zip(
        checks_of(environment, stimulus_size), zip(*by_session, strict=True), strict=True
    ):
        counts = {status: sum(f.status == status for f in same) for status in get_args(Status)}
        worst: Status = "fail" if counts["fail"] else "unknown" if counts["unknown"] else "pass"
        numbers = ", ".join(f"{n} {status}" for status, n in counts.items() if n)
        found.append(Finding(check.topic, check.name, worst, f"{numbers}; {check.demand}"))
    return found


def decimal_acuity(text: str) -> float:
    """Decimal visual acuity of a Snellen fraction or a decimal number.

    Args:
        text: Such as "20/30", "6/9" or "0.8".

    Returns:
        1 for 20/20; the more, the sharper.

    Raises:
        ValueError: Neither.

    >>> round(decimal_acuity("20/30"), 3), decimal_acuity("0.8")
    (0.667, 0.8)
    """
    numerator, _, denominator = text.partition("/")
    try:
        value = float(numerator) / float(denominator or 1)
    except (ValueError, ZeroDivisionError):
        value = math.nan
    if not 0 < value < 10:
        raise ValueError(f"acuity {text!r} is neither like 20/30 nor like 0.8.")
    return value


def read_sessions(path: str | PathLike[str]) -> list[Session]:
    r"""Reads sessions from a CSV file.

    Args:
        path: A row an observer; the columns are attributes of `Session`, of which only `observer`
            is needed. Empty cells were not recorded. An acuity may be a Snellen fraction, and what
            is true or false is yes or no.

    Returns:
        The sessions.

    Raises:
        ValueError: A column that is no attribute, or a cell that does not fit its column.
        OSError: The file cannot be read.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "sessions.csv")
    ...     _ = path.write_text("observer,acuity,random_order\nAnn,20/25,yes\n")
    ...     read_sessions(path)[0].acuity
    0.8
    """
    import pandas as pd

    if not Path(path).is_file():
        raise FileNotFoundError(f"no file is called {path}.")
    table = pd.read_csv(path, dtype="str", keep_default_na=False)
    known = [field.name for field in fields(Session)]
    if "observer" not in table or (unknown := sorted(set(table.columns) - set(known))):
        what = "no column observer" if "observer" not in table else f"columns {listed(unknown)}"
        raise ValueError(f"{path} has {what}; the columns of sessions are {', '.join(known)}.")
    sessions = []
    for number, row in enumerate(table.to_dict("records"), 1):
        try:
            values = {str(k): _convert(str(k), text) for k, text in row.items() if text}
            sessions.append(Session(**values))  # type: ignore[arg-type]
        except ValueError as error:
            raise ValueError(f"{path}, row {number}: {error}") from error
    return sessions


def _convert(name: str, text: str) -> object:
    """A cell as its attribute's type."""
    if name == "acuity":
        return decimal_acuity(text)
    types = {kind for kind in get_args(get_type_hints(Session)[name]) if kind is not NoneType}
    if types == {bool}:
        if text.lower() not in ("yes", "no"):
            raise ValueError(f"{name} is {text!r}; say yes or no.")
        return text.lower() == "yes"
    for kind in (int, float):
        if types == {kind}:
            try:
                return kind(text)
            except ValueError as error:
                raise ValueError(f"{name} is {text!r}, which is no number.") from error
    return text


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return " and ".join(str(part) for part in value)
    return f"{value:.3g}" if isinstance(value, float) else str(value)
