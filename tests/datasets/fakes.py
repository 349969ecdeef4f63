"""Small data sets in the published layouts, five contents each where that is possible.

`FAKES[name](folder)` writes one and returns the number of its records.
"""

import numpy as np
import pandas as pd
from scipy.io import savemat

from jiqa.images import write_png

FIVE = range(1, 6)
TID_SCENES = ("I01.BMP", "I02.BMP", "I03.BMP", "I04.BMP", "i25.bmp")


def image(path):
    """Writes some pixels, others for each name; the suffix does not matter to jiqa's readers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = [*path.as_posix().encode()[-40:]]
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    write_png(path.with_suffix(".tmp"), pixels)
    path.with_suffix(".tmp").rename(path)


def cell(texts, *, column=False):
    """Texts as MATLAB holds them."""
    found = np.empty((len(texts), 1) if column else (1, len(texts)), object)
    found.flat = list(texts)
    return found


def book(path, table, *, sheet="Sheet1", above=0):
    """An .xlsx file, with rows of other text above the table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_excel(path, sheet_name=sheet, startrow=above, index=False)


def make_tid2013(folder, scenes=("I01.BMP", "i25.bmp"), types=("01", "24")):
    """With the published set's mixture of cases and ends of lines."""
    lines, errors = [], []
    for reference in scenes:
        image(folder / "reference_images" / reference)
        scene = reference[1:3]
        for distortion in types:
            for level in (1, 2):
                name = f"i{scene}_{distortion}_{level}.bmp"
                image(folder / "distorted_images" / name)
                listed = name.replace("i01_01_1", "I01_01_1")
                lines.append(f"{5 - level - int(scene) / 100:.5f} {listed}")
                errors.append("0.13")
    (folder / "mos_with_names.txt").write_text("\r\n".join(lines) + "\r\n")
    (folder / "mos_std.txt").write_text("\n".join(errors) + "\n")
    return len(lines)


def make_kadid(folder, scenes=FIVE):
    """Two distortions."""
    rows = []
    for scene in scenes:
        reference = f"I{scene:02d}.png"
        image(folder / "images" / reference)
        for kind, level, mos, deviation in (("01", "02", 4.33, 0.869), ("15", "05", 1.33, 0.471)):
            name = f"I{scene:02d}_{kind}_{level}.png"
            image(folder / "images" / name)
            rows.append((name, reference, mos, deviation))
    columns = ["dist_img", "ref_img", "dmos", "var"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "dmos.csv", index=False)
    return len(rows)


CSIQ_SCENES = ("1600", "boston", "cactus", "elk", "fisher")
CSIQ_TYPES = {"noise": "AWGN", "jpeg 2000": "jpeg2000", "fnoise": "fnoise"}


def make_csiq_images(folder):
    """Folders and files in the published set's cases."""
    rows = []
    for scene in CSIQ_SCENES:
        image(folder / "src_imgs" / f"{scene}.png")
        for level, (kind, name) in enumerate(CSIQ_TYPES.items(), start=1):
            image(folder / "dst_imgs" / name.lower() / f"{scene}.{name}.{level}.png")
            rows.append((scene, name, kind, level, round(0.1 * level + len(scene) / 100, 3)))
    return rows


def make_csiq(folder):
    """With the workbook."""
    rows = make_csiq_images(folder)
    table = pd.DataFrame(
        {
            "image": [int(scene) if scene.isdigit() else scene for scene, *_ in rows],
            "dst_idx": 1,
            "dst_type": [kind for _, _, kind, _, _ in rows],
            "dst_lev": [level for *_, level, _ in rows],
            "dmos_std": 0.05,
            "dmos": [dmos for *_, dmos in rows],
        }
    )
    book(folder / "csiq.DMOS.xlsx", table, sheet="all_by_image", above=3)
    return len(rows)


LIVE_COUNTS = {"jp2k": 227, "jpeg": 233, "wn": 174, "gblur": 174, "fastfading": 174}
LIVE_REFERENCES = ("bikes.bmp", "buildings.bmp", "dancers.bmp", "monarch.bmp", "parrots.bmp")


def make_live(folder):
    """Labels of all 982 images, of which ten are no copies of references."""
    names = [(kind, n) for kind, count in LIVE_COUNTS.items() for n in range(1, count + 1)]
    chosen = [
        place for place, (kind, n) in enumerate(names) if kind in ("jp2k", "fastfading") and n < 6
    ]
    references = np.array(["bikes.bmp"] * len(names), object)
    for place, reference in zip(chosen, LIVE_REFERENCES * 2, strict=True):
        references[place] = reference
        kind, number = names[place]
        image(folder / kind / f"img{number}.bmp")
        image(folder / "refimgs" / reference)
    originals = np.ones((1, len(names)))
    originals[0, chosen] = 0
    scores = np.linspace(0, 100, len(names))[None]
    labels = {"dmos_new": scores, "dmos_std": scores * 0 + 2.5, "orgs": originals}
    savemat(folder / "dmos_realigned.mat", labels)
    savemat(folder / "refnames_all.mat", {"refnames_all": cell(references)})
    (folder / "jp2k" / "info.txt").write_text("bikes.bmp img1.bmp 0.75\n\n")
    return len(chosen)


def make_live_md(folder):
    """Two parts, with simple and composite distortions."""
    count = 0
    for part, inside, other in (("Part 1", "blurjpeg", "jpeg"), ("Part 2", "blurnoise", "noise")):
        names = []
        for content in ("babygirl", "bikerace", "cows", "elephant", "palace2"):
            image(folder / part / inside / f"{content}.bmp")
            names += [f"{content}_blur1.bmp", f"{content}_blur2_{other}3.bmp"]
        for name in names:
            image(folder / part / inside / name)
        savemat(folder / part / "Imagelists.mat", {"distimgs": cell(names, column=True)})
        savemat(folder / part / "Scores.mat", {"DMOSscores": np.arange(len(names))[None] * 5.0})
        count += len(names)
    return count


def make_live_itw(folder):
    """Seven images for training, five others."""
    names = [f"t{n}.bmp" for n in range(1, 8)] + ["3.bmp", "4.JPG", "5.bmp", "10.bmp", "11.bmp"]
    for name in names:
        image(folder / "Images" / ("trainingImages" if name[0] == "t" else "") / name)
    (folder / "Data").mkdir()
    scores = np.linspace(20, 80, len(names))[None]
    savemat(folder / "Data/AllImages_release.mat", {"AllImages_release": cell(names, column=True)})
    savemat(folder / "Data/AllMOS_release.mat", {"AllMOS_release": scores})
    savemat(folder / "Data/AllStdDev_release.mat", {"AllStdDev_release": scores / 4})
    return 5


def make_koniq10k(folder, size="1024x768"):
    """With the three official parts."""
    rows = []
    for number, part in enumerate(["training", "training", "validation", "test", "test"]):
        name = f"{10004473376 + number}.jpg"
        image(folder / size / name)
        rows.append((name, 0, 0, 0.25, 0.7, 0.05, 100 + number, 70.5 + number, 0.53, part))
    columns = ["image_name", "c1", "c2", "c3", "c4", "c5", "c_total", "MOS", "SD", "set"]
    table = pd.DataFrame(rows, columns=columns)
    table.to_csv(folder / "koniq10k_distributions_sets.csv", index=False)
    return len(rows)


def make_spaq(folder):
    """With all three workbooks."""
    names = [f"{number:05d}.jpg" for number in FIVE]
    for name in names:
        image(folder / "TestImage" / name)
    scores = {"Image name": names, "MOS": [50.5, 20, 30, 40, 95], "Brightness": 60.0}
    book(folder / "Annotations/MOS and Image attribute scores.xlsx", pd.DataFrame(scores))
    scenes = {"Image name": names, "Animal": 0, "Cityscape": [1, 0, 0, 0, 1]}
    book(folder / "Annotations/Scene category labels.xlsx", pd.DataFrame(scenes))
    tags = {"name": names, "ISO": 100}
    book(folder / "Annotations/EXIF_tags.xlsx", pd.DataFrame(tags))
    return len(names)


def make_pipal(folder):
    """Images in two of the folders."""
    (folder / "Train_Label").mkdir(parents=True)
    for scene in FIVE:
        image(folder / "Train_Ref" / f"A{scene:04d}.bmp")
        names = [f"A{scene:04d}_00_00.bmp", f"A{scene:04d}_06_11.bmp"]
        image(folder / "Distortion_1" / names[0])
        image(folder / "Distortion_4" / names[1])
        lines = f"{names[0]},1520.0648\n{names[1]}, 1411.7958\n"
        (folder / "Train_Label" / f"A{scene:04d}.txt").write_text(lines)
    return 10


CID_FOLDERS = (
    "1_JPEG2000_Compression",
    "2_JPEG_Compression",
    "3_Poisson_Noise",
    "4_Gaussian_Blur",
    "5_SGCK_Gamut_Mapping",
    "6_DeltaE_Gamut_Mapping",
)


def make_cid_iq(folder):
    """One level, and scores for both distances."""
    for scene in FIVE:
        image(folder / "Images/Original" / f"final{scene:02d}.bmp")
        for kind, inside in enumerate(CID_FOLDERS, start=1):
            image(folder / "Images/Reproduction" / inside / f"final{scene:02d}_d{kind}_l2.bmp")
    scores = np.linspace(1, 9, 30)[:, None]
    savemat(folder / "MOS50.mat", {"MOS50": scores})
    savemat(folder / "MOS100.mat", {"MOS100": scores[::-1]})
    return 30


def make_htid(folder):
    """A table of one's own."""
    names = [f"set{scene:02d}/im{scene:03d}_{n:02d}.png" for scene in FIVE for n in (2, 3)]
    for name in names:
        image(folder / name)
    table = pd.DataFrame({"image": names, "mos": np.linspace(2, 8, 10), "std": 0.5})
    table.to_csv(folder / "htid.csv", index=False)
    return len(names)


def make_bapps(folder):
    """Both kinds of judgements, with the families of the validation part and of training."""
    for split, families in (("train", ("traditional", "cnn", "mix")), ("val", ("color", "deblur"))):
        for family in families:
            base = folder / "2afc" / split / family
            for number in range(2):
                for inside in ("ref", "p0", "p1"):
                    image(base / inside / f"{number:06d}.png")
                (base / "judge").mkdir(exist_ok=True)
                share = np.array([number / 5 + 0.2], np.float32)
                np.save(base / "judge" / f"{number:06d}.npy", share)
    for family in ("traditional", "cnn"):
        base = folder / "jnd/val" / family
        for number in range(3):
            for inside in ("p0", "p1"):
                image(base / inside / f"{number:06d}.png")
            (base / "same").mkdir(exist_ok=True)
            np.save(base / "same" / f"{number:06d}.npy", np.array([number / 3], np.float32))


def make_bapps_2afc(folder):
    """Ten triples."""
    make_bapps(folder)
    return 10


def make_bapps_jnd(folder):
    """Six pairs."""
    make_bapps(folder)
    return 6


def make_pieapp(folder):
    """One reference a part; the heads of tables have blanks, as published."""
    for split, number in (("train", 1), ("val", 2), ("test", 3)):
        reference = f"ref_{number}.png"
        image(folder / "reference_images" / split / reference)
        names = [f"distort_{number}_jpeg_{kind}_1.png" for kind in ("inter", "intra")]
        for name in names:
            image(folder / "distorted_images" / split / f"ref_{number}" / name)
        labels = folder / "labels" / split
        labels.mkdir(parents=True)
        heads = ["ref. image", " distorted image A", " distorted image B"]
        rows = [(reference, *names, 0.75)]
        heads.append(" raw preference for A" if split != "test" else " preference for A")
        if split == "test":
            rows.append((reference, reference, names[0], 0.9))
            scores = pd.DataFrame(
                [
                    (reference, names[0], 1.5),
                    (reference, names[1], 3.25),
                    (reference, reference, 0),
                ],
                columns=["ref. image", " distorted image", " score for distorted image"],
            )
            scores.to_csv(labels / f"ref_{number}_per_image_score.csv", index=False)
        else:
            heads.append(" processed preference for A")
            rows = [(*rows[0][:3], "", 0.625)]
        table = pd.DataFrame(rows, columns=heads)
        table.to_csv(labels / f"ref_{number}_pairwise_labels.csv", index=False)


def make_pieapp_pairs(folder):
    """Four pairs."""
    make_pieapp(folder)
    return 4


def make_pieapp_scores(folder):
    """Two images with scores."""
    make_pieapp(folder)
    return 2


def make_agiqa1k(folder):
    """Texts that two models share."""
    names = [f"{model}_{n}_0_1_0.jpg" for n in FIVE for model in ("deepai", "dreamStudio")]
    for name in names:
        image(folder / "file" / name)
    table = {"Image": names, "Prompt": "a bird", "MOS": np.linspace(1, 4, 10)}
    book(folder / "AIGC_MOS_Zscore.xlsx", pd.DataFrame(table))
    table = {"Image": names, "Score": np.linspace(1.5, 4.5, 10)}
    pd.DataFrame(table).to_csv(folder / "AIGC_all.csv", index=False)
    return len(names)


def make_agiqa3k(folder):
    """Texts that two models share."""
    rows = []
    for n in FIVE:
        for model in ("AttnGAN", "DALLE2"):
            name = f"{model}_normal_{n:03d}.jpg"
            image(folder / name)
            rows.append((name, f"text {n}", "", "", "", 2.5, 0.25, 3.5, 0.75))
    columns = ["name", "prompt", "adj1", "adj2", "style"]
    columns += ["mos_quality", "std_quality", "mos_align", "std_align"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "data.csv", index=False)
    return len(rows)


def make_paq2piq(folder):
    """With the lists that give the official parts."""
    names = [f"voc_emotic_ava/AVA__{n}.jpg" for n in range(3)]
    names += ["blur_dataset/motion0044.jpg", "EE371R/rq59.jpg"]
    for name in names:
        image(folder / name)
    table = pd.DataFrame({"name": names, "mos": [70.5, 60, 50, 40, 30]})
    table.to_csv(folder / "labels_image.csv", index=False)
    pd.DataFrame({"name_image": names[3:]}).to_csv(folder / "labels640.csv", index=False)
    small = pd.DataFrame({"name_image": names[:3], "is_valid": [False, True, False]})
    small.to_csv(folder / "labels=640_padded.csv", index=False)
    return len(names)


def make_bid(folder):
    """Images in their folder."""
    numbers = [1, 24, 100, 452, 586]
    for number in numbers:
        image(folder / "ImageDatabase" / f"DatabaseImage{number:04d}.JPG")
    grades = [3.18, 4.79, 1.53, 3.66, 2.5]
    table = {"Image Number": numbers, "Average Subjective Grade": grades, "std": 0.8}
    book(folder / "DatabaseGrades.xlsx", pd.DataFrame(table))
    return len(numbers)


FAKES = {
    "agiqa1k": make_agiqa1k,
    "agiqa1k_raw": make_agiqa1k,
    "agiqa3k": make_agiqa3k,
    "bapps_2afc": make_bapps_2afc,
    "bapps_jnd": make_bapps_jnd,
    "bid": make_bid,
    "cid_iq_50cm": make_cid_iq,
    "cid_iq_100cm": make_cid_iq,
    "csiq": make_csiq,
    "htid": make_htid,
    "kadid10k": make_kadid,
    "koniq10k": make_koniq10k,
    "koniq10k_512x384": lambda folder: make_koniq10k(folder, "512x384"),
    "live": make_live,
    "live_itw": make_live_itw,
    "live_md": make_live_md,
    "paq2piq": make_paq2piq,
    "pieapp": make_pieapp_scores,
    "pieapp_pairs": make_pieapp_pairs,
    "pipal": make_pipal,
    "spaq": make_spaq,
    "tid2008": lambda folder: make_tid2013(folder, TID_SCENES, types=("01", "17")),
    "tid2013": lambda folder: make_tid2013(folder, TID_SCENES),
}
