from vidalign.judge.own import *  # noqa: F403
from vidalign.llm import *  # noqa: F403
