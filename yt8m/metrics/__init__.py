"""Metrics of multi-label video classification: GAP, Hit@k, PERR, mAP, MAP@K.

Counting and ranking are NumPy. Only `StreamingGAP`, for use while training, is Keras.
"""

from yt8m.metrics.average_precision import average_precision, grouped_average_precision
from yt8m.metrics.evaluation import Evaluation
from yt8m.metrics.segment_evaluation import SegmentEvaluation
from yt8m.metrics.streaming_gap import StreamingGAP
from yt8m.metrics.topk import top_k

__all__ = [
    "Evaluation",
    "SegmentEvaluation",
    "StreamingGAP",
    "average_precision",
    "grouped_average_precision",
    "top_k",
]
