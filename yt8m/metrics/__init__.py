"""Metrics of multi-label video classification: GAP, Hit@k, PERR, mAP, MAP@K.

Counting and ranking are NumPy. Only `StreamingGAP`, for use while training, is Keras.
"""

from yt8m.metrics.average_precision import average_precision, grouped_average_precision
from yt8m.metrics.segment_metrics import SegmentEvaluation
from yt8m.metrics.streaming_gap import StreamingGAP
from yt8m.metrics.topk import top_k
from yt8m.metrics.video_metrics import Evaluation

__all__ = [
    "Evaluation",
    "SegmentEvaluation",
    "StreamingGAP",
    "average_precision",
    "grouped_average_precision",
    "top_k",
]
