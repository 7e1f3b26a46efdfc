"""A dataset row -> token ids and media tensors: what training, sampling and scoring all read."""

from vidalign.encoding.encoder import RowEncoder
from vidalign.encoding.row import DecodedPrompt, EncodedRow
from vidalign.encoding.sampling import VideoSampling

__all__ = ["DecodedPrompt", "EncodedRow", "RowEncoder", "VideoSampling"]
