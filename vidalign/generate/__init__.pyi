from .caption import caption_rows as caption_rows
from .local import LocalModel as LocalModel
from .options import ModelOptions as ModelOptions
from .sample import Sample as Sample
from .sample import Sampler as Sampler
from .sample import Sampling as Sampling
from .served import ServedModel as ServedModel
