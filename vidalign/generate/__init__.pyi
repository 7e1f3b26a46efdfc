from .caption import Captioned as Captioned
from .caption import caption_rows as caption_rows
from .local import LocalModel as LocalModel
from .sample import Sample as Sample
from .sample import Sampler as Sampler
from .sample import Sampling as Sampling
