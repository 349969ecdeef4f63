"""What a data set says of an image: where it is, how people rated it, and what was done to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Kind = Literal["mos", "dmos", "preference"]
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True)
class RatedImage:
    """An image with the opinion of several people.

    Attributes:
        distorted: The file of the image.
        reference: The file of its original, or None.
        score: Mean opinion, on the data set's own scale.
        std: Standard deviation of its ratings, on the same scale, where published.
        standard_error: Standard deviation of the score itself, where published.
        ratings: Number of its ratings, where published.
        shares: Share of the ratings in each category, worst first, where published.
        distortion: The data set's own name of what was done to it, or "".
        level: How strongly, more being worse, where that is one number.
        content: What it shares with images of the same original.
        split: "train", "validation" or "test" where its authors say so, or "".
        extra: What else is published of it.
    """

    distorted: Path
    score: float
    content: str
    reference: Path | None = None
    std: float | None = None
    standard_error: float | None = None
    ratings: int | None = None
    shares: tuple[float, ...] = ()
    distortion: str = ""
    level: float | None = None
    split: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def images(self) -> dict[str, Path]:
        """Its files by what they are, the reference first."""
        files = {"reference": self.reference, "distorted": self.distorted}
        return {name: file for name, file in files.items() if file is not None}


@dataclass(frozen=True, kw_only=True)
class Preference:
    """Two images of one original, of which people said which is nearer to it.

    Attributes:
        reference: The file of the original.
        first: The file of one image.
        second: The file of the other.
        score: Share of people who preferred the first, 0 to 1.
        ratings: Number of people asked, where published.
        distortion: The data set's own name of what was done to them, or "".
        content: What it shares with images of the same original.
        split: As in `RatedImage`.
        extra: What else is published of them.
    """

    reference: Path
    first: Path
    second: Path
    score: float
    content: str
    ratings: int | None = None
    distortion: str = ""
    split: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def images(self) -> dict[str, Path]:
        """Its files by what they are, the reference first."""
        return {"reference": self.reference, "first": self.first, "second": self.second}


Record = RatedImage | Preference


@dataclass(frozen=True)
class DataSet:
    """Images and opinions.

    Attributes:
        name: What it is called in commands, as `tid2013`; of a table the file's name.
        title: What it is called in tables, as TID2013.
        kind: "mos" (more is better), "dmos" (more is worse), or "preference".
        records: Rated images, or preferences, in the order of its label files.
    """

    name: str
    title: str
    kind: Kind
    records: Sequence[Record]
