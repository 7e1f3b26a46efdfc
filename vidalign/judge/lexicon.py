"""English words by what they do in a sentence, and the stem that the inflections of a word share."""

from __future__ import annotations

from functools import lru_cache

import snowballstemmer


def word_set(text: str) -> frozenset[str]:
    """The words of a list separated by spaces."""
    return frozenset(text.split())


# The letters by which `statements` reads what stands between two words.
_KINDS = {
    "D": "a an the this these those his her its their my our your some",
    "C": "is are was were be been being am",
    "H": "has have had do does did can",
    # "a dog can be heard barking", "a man starts to sing": the verb after them holds.
    "B": "start starts started starting begin begins began beginning continue continues continued keep keeps proceed proceeds "
    "seen heard shown",
    "T": "to toward towards",
    "P": "of in on at by with from into onto under over near behind beside between above below across through along around "
    "inside outside within beneath against among upon off out past about for next during via amid atop opposite",
    "A": "and",
    "R": "that who which whose whom where",
    "S": "as while when whenever because before after until since but so though although than once whereas",
    "F": "then also again still now just very quite soon together always often twice too even both",
}
KIND = {word: kind for kind, text in _KINDS.items() for word in text.split()}
_NO_ADVERBS = word_set(
    "family belly jelly butterfly dragonfly reply apply supply italy rally bully assembly anomaly early"
)

PRONOUNS = word_set("i he she they it we you someone somebody everyone everybody him them")
DIRECTIONS = word_set("left right up down top bottom forward backward side centre center middle")

NEGATIONS = word_set(
    "not no never without neither nor none nobody nothing nowhere cannot fail fails failed failing false untrue incorrect "
    "wrong wrongly lack lacks lacking absent missing except unlike refuse refuses refused avoid avoids "
    "不 没 沒 未 无 無 非 勿 别"
)
DOUBTS = word_set(
    "if whether unless would could might may must should shall will perhaps maybe possibly probably likely apparently "
    "presumably supposedly allegedly seemingly seem seems seemed seeming imagine imagines imagined imagining suppose supposes "
    "supposed assume assumes assumed pretend pretends pretended pretending hypothetical hypothetically wish wishes hope hopes "
    "dream dreams dreaming believe believes believed think thinks thought claim claims claimed wonder wonders wondering "
    "expect expects expected guess guesses doubt doubts or either almost nearly barely hardly scarcely rarely seldom unclear "
    "uncertain unknown ought deny denies denied "
    "或 吗 嗎"
)
DOUBTED = (  # two words that doubt or deny together
    "appear to", "appears to", "appeared to", "appearing to", "look like", "looks like", "looked like", "sound like",
    "sounds like", "sounded like", "as though", "instead of", "rather than", "far from", "other than", "about to",
)  # fmt: skip

_SPEECH = (
    "say ask reply answer shout whisper sing exclaim announce narrate explain state declare yell scream cry chant rap recite "
    "remark comment mutter mumble murmur respond inquire tell speak utter repeat insist suggest agree admit confess promise "
    "report describe urge demand request beg plead joke warn order command greet add continue note interject interrupt "
    "conclude quip instruct proclaim complain argue apologise apologize cheer question counter observe sigh gasp call"
)
_PAST = {
    "said": "say", "sang": "sing", "sung": "sing", "told": "tell", "spoke": "speak", "spoken": "speak", "began": "begin",
}  # fmt: skip
_REPORT = "say tell state report explain announce declare mention describe note insist argue suggest read write list"

_NUMBERS = {
    "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9",
    "ten": "10", "eleven": "11", "twelve": "12",
}  # fmt: skip
_VARIANTS = {
    **_NUMBERS, "gray": "grey", "leftward": "left", "leftwards": "left", "rightward": "right", "rightwards": "right",
    "upward": "up", "upwards": "up", "downward": "down", "downwards": "down", "toward": "towards", "an": "a",
}  # fmt: skip
_OWN = word_set(
    "glasses news does this his its gas bus lens series species always perhaps during evening building ceiling"
)
_LONGEST_WORD = 40  # the stemmer takes more than linear time


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """The word without its inflection. Derivations stay apart: "quickly" is not "quick", "organs" not "organize"."""
    if word in _VARIANTS:
        return _VARIANTS[word]
    if not word.isascii() or not word.isalpha() or word in _OWN or len(word) > _LONGEST_WORD:
        return word
    # A stemmer has a state: one object in several threads would mix their words.
    root = snowballstemmer.stemmer("english").stemWord(word)
    longest = 4 if word.endswith("ing") else 3 if word.endswith("ed") else 2 if word.endswith("s") else 1
    return root if len(word) - len(root) <= longest else word


def stem_set(text: str) -> frozenset[str]:
    """The stems of a list separated by spaces."""
    return frozenset(map(stem, text.split()))


def kind(word: str) -> str:
    """One letter: a key of `_KINDS`, "Z" for a possessive 's, "F" for adverbs, "W" for every other word."""
    if word in KIND:
        return KIND[word]
    if word == "'s":
        return "Z"
    return "F" if len(word) > 4 and word.endswith("ly") and word not in _NO_ADVERBS else "W"


def inflected(word: str) -> bool:
    """Whether it may be a verb in -s, -ed or -ing (or a plural: it is not known)."""
    return len(word) > 3 and word.endswith(("s", "ed", "ing")) and not word.endswith(("ss", "us"))


def speaks(word: str) -> bool:
    """Whether it is a form of a verb of speech."""
    return _PAST.get(word, stem(word)) in SPEECH


def reports(word: str) -> bool:
    """Whether what follows may be reported rather than stated."""
    return _PAST.get(word, stem(word)) in REPORT


SPEECH = stem_set(_SPEECH) | word_set("说 說 问 問 喊 答 道 言")
REPORT = stem_set(_REPORT)
