"""Writes sureal_goldens.json: what sureal 0.9.0 (Apache-2.0) makes of its public data sets.

Run once in an environment of its own: `pip install sureal==0.9.0 && python this_file FOLDER`, where
FOLDER holds the data sets of sureal's repository (resource/dataset).
"""

import contextlib
import io
import json
import sys
from pathlib import Path

import numpy as np
from sureal import pc_subjective_model as pair_models
from sureal import subjective_model as models
from sureal.dataset_reader import RawDatasetReader
from sureal.tools.misc import import_python_file

DATA_SETS = (
    "NFLX_dataset_public_raw",
    "NFLX_dataset_public_raw_last4outliers",
    "VQEGHD3_dataset_raw",
    "vqeg_frtv_p1_525_line_low_dataset",
    "vqeg_frtv_p1_625_line_high_dataset",
)
MODELS = {
    "mos": models.MosModel,
    "dmos": models.DmosModel,
    "bt500": models.SubjrejMosModel,
    "z_scores_bt500": models.ZscoringSubjrejMosModel,
    "bias_subtraction": models.BiasremvMosModel,
    "live_dmos": models.LiveDmosModel,
    "p910": models.SubjectMLEModelProjectionSolver,
    "p910_stimulus_deviation": models.SubjectMLEModelProjectionSolver2,
    "subject": models.MaximumLikelihoodEstimationModelContentOblivious,
    "subject_and_content": models.MaximumLikelihoodEstimationModel,
}
WINS = [[0, 3, 2, 7], [1, 0, 6, 3], [4, 3, 0, 0], [1, 2, 5, 0]]  # the example in sureal's source
KEPT = (
    "quality_scores",
    "quality_scores_std",
    "observer_bias",
    "observer_inconsistency",
    "content_ambiguity",
    "observer_rejected",
    "observer_rejected_1st_stats",
    "observer_rejected_2nd_stats",
    "loglikelihood",
)


def main(folder: Path) -> None:
    goldens = {}
    for name in DATA_SETS:
        goldens[name] = {}
        for model_name, model in MODELS.items():
            data_set = import_python_file(str(folder / f"{name}.py"))
            for video in (*data_set.ref_videos, *data_set.dis_videos):
                video["content_id"] = int(video["content_id"])
            try:
                with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
                    result = model(RawDatasetReader(data_set)).run_modeling()
            except (AssertionError, AttributeError) as error:
                print(name, model_name, "not computed:", error)  # no references, or no best score
                continue
            goldens[name][model_name] = {
                key: np.asarray(result[key], float).round(7).tolist()
                for key in KEPT
                if key in result
            }
            print(name, model_name, "done", flush=True)
    wins = np.array(WINS)
    thurstone = pair_models.ThurstoneMlePairedCompSubjectiveModel.resolve_model(wins)
    logistic = pair_models.BradleyTerryMlePairedCompSubjectiveModel.resolve_model(wins)
    goldens["pairs"] = {
        "wins": WINS,
        "thurstone": np.asarray(thurstone[0]).round(7).tolist(),
        "bradley_terry": np.asarray(logistic[0]).round(7).tolist(),
    }
    text = json.dumps(goldens).replace("NaN", "null")
    Path(__file__).with_name("sureal_goldens.json").write_text(text + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
