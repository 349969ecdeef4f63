"""BID: blurred image database."""

from jiqa.datasets.catalogue import published
from jiqa.datasets.folders import Folder
from jiqa.datasets.records import RatedImage

LABELS = "DatabaseGrades.xlsx"


@published(
    "bid",
    title="BID",
    kind="mos",
    images=586,
    references=0,
    score_range=(0.163, 4.92),
    labels=(LABELS,),
    layout="""\
DatabaseImage0001.JPG and so on, or in ImageDatabase/
DatabaseGrades.xlsx: Image Number, Average Subjective Grade and, where known, std""",
    home="http://www.lps.ufrj.br/profs/eduardo/ImageDatabase.htm",
    paper="A. Ciancio et al., IEEE TIP 20(1), 2011",
    note="Photographs with real blur.",
)
def read_bid(folder: Folder) -> list[RatedImage]:
    """A row an image, which is known by its number."""
    number, grade = "Image Number", "Average Subjective Grade"
    table = folder.table(folder.path(LABELS), [number, grade]).dropna(subset=[number, grade])
    records = []
    for row in table.to_dict("records"):
        name = f"DatabaseImage{int(row[number]):04d}.JPG"
        records.append(
            RatedImage(
                distorted=folder.path(name, f"ImageDatabase/{name}"),
                score=float(row[grade]),
                std=float(row["std"]) if "std" in row else None,
                content=name,
            )
        )
    return records
