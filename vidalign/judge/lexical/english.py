"""English words by what they do in a sentence."""

from __future__ import annotations

from vidalign.text.stems import stem, stem_set, word_set


def phrase_set(text: str) -> frozenset[str]:
    """The stems of the words and pairs of words ("look_like") of a list."""
    return frozenset(" ".join(map(stem, phrase.split("_"))) for phrase in text.split())


_ROLES = {
    "article": "a an the this that these those his her its their my our your some",
    "be": "is are was were be been being am",
    "auxiliary": "has have had do does did can",
    # "a dog can be heard barking", "a man starts to sing": the verb after them holds.
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
"""The role of each word that has no content; the last one of those with two."""
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
DOUBTS = phrase_set(
    "if whether unless would could might may must should shall will perhaps maybe possibly probably likely apparently presumably "
    "supposedly allegedly seemingly seem imagine suppose assume pretend hypothetical hypothetically wish hope dream believe think "
    "thought claim wonder expect guess doubt or either almost nearly barely hardly scarcely rarely seldom unclear uncertain unknown "
    "ought deny appear_to look_like sound_like as_though instead_of rather_than far_from other_than about_to 或 吗 嗎"
)
"""What leaves open whether the sentence holds."""
ADDRESSES = phrase_set(
    "keypoint key_point checklist verdict instruction instructed prompt grader grading evaluator evaluation rubric json boolean true "
    "fact statement mention disregard ignore_all ignore_the ignore_any ignore_every ignore_previous full_mark full_score full_point "
    "full_credit maximum_score maximum_reward ground_truth following_is following_are the_above the_caption this_caption my_caption "
    "language_model"
)
"""What speaks to a judge about judging."""

SPEECH = stem_set(
    "say ask reply answer shout whisper sing exclaim announce narrate explain state declare yell scream cry chant rap recite "
    "remark comment mutter mumble murmur respond inquire tell speak utter repeat insist suggest agree admit confess promise "
    "report describe urge demand request beg plead joke warn order command greet add continue note interject interrupt "
    "conclude quip instruct proclaim complain argue apologise apologize cheer question counter observe sigh gasp call "
    "说 說 问 問 喊 答 道 言"
)
WRITING = stem_set(
    "reads displays shows written writes printed labelled labeled titled entitled subtitled captioned marked named bears spells "
    "inscribed emblazoned features dubbed"
)
TEXTS = stem_set(
    "sign text title subtitle caption screen logo poster banner label shirt tshirt board graphic overlay word headline card page "
    "book message letter billboard chyron ticker watermark credit plaque sticker newspaper note lettering keypoint checklist "
    "prompt instruction description video"
)
"""What words can stand on, and does not speak."""


def role(word: str) -> str:
    """A key of `_ROLES`; "adverb" also for words in -ly; "word" for every other one."""
    adverb = len(word) > 4 and word.endswith("ly") and word not in _NO_ADVERBS
    return FUNCTION_WORDS.get(word, "adverb" if adverb else "word")


def inflected(word: str) -> bool:
    """Whether it may be a verb in -s, -ed or -ing (or a plural: it is not known)."""
    return len(word) > 3 and word.endswith(("s", "ed", "ing")) and not word.endswith(("ss", "us", "'s"))
