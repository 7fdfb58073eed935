"""What does each figure mean? The words under the figures of the report and in `metrics.json`."""

from __future__ import annotations

from typing import Final

from zooassist_training.evaluate import ASKED_MORE_THAN, CONFIDENT_MORE_THAN
from zooassist_training.evaluation.question_metrics import FEW_GALAXIES
from zooassist_training.evaluation.reliability import BINS, DRAWS
from zooassist_training.evaluation.value_metrics import TOLD

DEFINITIONS: Final[dict[str, str]] = {
    "counted": (
        f"A subject counts for a question when more than {ASKED_MORE_THAN:.0%} of the volunteers "
        "were led to it, by the product of the volunteers' fractions up the tree, and somebody "
        "answered it (GZ DECaLS, Walmsley et al. 2022)."
    ),
    "accuracy": (
        "Share of these subjects for which the answer with the largest predicted fraction is the "
        "volunteers' most frequent one."
    ),
    "confident": (
        "Accuracy where the volunteers were confident: more than "
        f"{CONFIDENT_MORE_THAN:.0%} of those asked gave the same answer."
    ),
    "error": (
        "Predicted minus observed vote fraction among those asked, over all answers of the "
        "question: mean of its size, and root of the mean of its square."
    ),
    "cumulative": (
        "Root mean square error of the share of all volunteers that reached the question and gave "
        "the answer, over all subjects and label columns."
    ),
    "log_likelihood": (
        "Logarithm of the probability that the model gave the very votes that were cast: the mean "
        "over its posterior samples of the Dirichlet-multinomial likelihood, over all subjects "
        "with a vote on the question. Larger is better; in nats per subject."
    ),
    "coverage": (
        "For every subject and answer, the fewest vote counts, most probable first, that together "
        "reach the level. Votes are whole numbers, so that these hold more than the level: what "
        "they hold is averaged (predicted) and compared with how often they hold the true count "
        "(observed). The error is observed minus predicted in percentage points, with its standard "
        "error; below 0 the model is too sure."
    ),
    "widths": (
        "The same for the interval of ±w votes around the expected count (discrete coverage of "
        "Walmsley et al. 2020)."
    ),
    "reliability": (
        f"Predictions in {BINS} bins: mean prediction against mean of what was observed. The "
        "expected calibration error is the gap, averaged over all predictions."
    ),
    "leading": (
        "The probability that the predicted answer gets the most votes, from "
        f"{DRAWS} draws of as many votes as were cast, against how often it does."
    ),
    "confusion": (
        "Rows: the volunteers' most frequent answer; columns: the model's. Counts of subjects, "
        "coloured by the share of the row."
    ),
    "strata": (
        "All subjects with so many votes on the question, however many volunteers were led there. "
        "Few votes make the volunteers' own fractions uncertain."
    ),
    "gallery": (
        "The subjects whose fractions were predicted best and worst, by half the sum of the "
        "differences over the answers. Wide bar: volunteers; narrow bar: the model, with its 90 % "
        "interval as a line."
    ),
    "few": f"Fewer than {FEW_GALAXIES} subjects: read these figures with care.",
}

VALUE_DEFINITIONS: Final[dict[str, str]] = {
    "counted": "A subject counts for a target when the training set has a number for it.",
    "error": (
        "Predicted mean minus true value, in the target's unit: root of the mean of its square "
        "(RMSE), mean of its size (MAE), and mean (bias)."
    ),
    "r2": (
        "1 minus the sum of squared errors over the sum of squared differences of the true values "
        "from their own mean: 1 is perfect, 0 no better than that mean, below 0 worse."
    ),
    "log_likelihood": (
        "Mean logarithm of the density that the model gave the true value, the equal mixture of "
        "its samples' Gaussians, per standard deviation of the target in training. Larger is "
        "better; in nats. Saying of every subject what the training set says of all gives about "
        "-1.42."
    ),
    "coverage": (
        "How often the central interval of the mixture holds the true value: of "
        f"{', '.join(f'{level:.0%}' for level in TOLD)} intervals so many should. The error is "
        "observed minus level in percentage points, with its standard error; below 0 the model "
        "is too sure."
    ),
    "scatter": (
        "Every subject: true value to the right, predicted mean upwards, with a line of one "
        "standard deviation up and down. On the dashed line they agree."
    ),
    "gallery": (
        "The subjects whose error is largest, and smallest, in standard deviations that the model "
        "itself gave them."
    ),
    "few": f"Fewer than {FEW_GALAXIES} subjects: read these figures with care.",
}
