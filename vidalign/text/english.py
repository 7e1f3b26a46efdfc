"""English words by what they do in a sentence."""

from __future__ import annotations

from vidalign.text.stems import word_set

_ROLES = {
    "article": "a an the this that these those his her its their my our your some",
    "be": "is are was were be been being am",
    "auxiliary": "has have had do does did can",
    "start": "start starts started starting begin begins began beginning continue continues continued keep keeps proceed "
    "proceeds seen heard shown",
    "to": "to toward towards",
    "preposition": "of in on at by with from into onto under over near behind beside between above below across through along "
    "around inside outside within beneath against among upon off out past about for next during via amid atop opposite",
    "and": "and",
    "relative": "that who which whose whom where",
    "conjunction": "as while when whenever because before after until since but so though although than once whereas",
    "adverb": "then also again still now just very quite soon together always often twice too even both",
}
FUNCTION_WORDS = {word: role for role, text in _ROLES.items() for word in text.split()}
"""The role of each word that has no content; the last one of those with two. "start": "a man starts to sing"."""
_NO_ADVERBS = word_set(
    "family belly jelly butterfly reply apply supply italy rally bully assembly anomaly early"
)
PRONOUNS = word_set("i he she they it we you someone somebody everyone everybody him them")
DIRECTIONS = word_set("left right up down top bottom forward backward side centre center middle")
NEGATIONS = word_set(
    "not no never without neither nor none nobody nothing nowhere cannot fail fails failed failing false untrue incorrect "
    "wrong wrongly lack lacks lacking absent missing except unlike refuse refuses refused avoid avoids "
    "不 没 沒 未 无 無 非 勿 别"
)


def role(word: str) -> str:
    """A key of `_ROLES`; "adverb" also for words in -ly; "word" for every other one."""
    adverb = len(word) > 4 and word.endswith("ly") and word not in _NO_ADVERBS
    return FUNCTION_WORDS.get(word, "adverb" if adverb else "word")


def inflected(word: str) -> bool:
    """Whether it may be a verb in -s, -ed or -ing (or a plural: it is not known)."""
    return len(word) > 3 and word.endswith(("s", "ed", "ing")) and not word.endswith(("ss", "us", "'s"))
