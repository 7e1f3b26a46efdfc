# What `vidalign.judge` has besides the names of `vidalign.llm`.
from .environment import default_judge as default_judge
from .environment import judge_from_env as judge_from_env
from .lexical import LexicalJudge as LexicalJudge
from .task_judges import TaskJudges as TaskJudges
