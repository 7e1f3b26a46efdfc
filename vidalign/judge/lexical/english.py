"""Words that tell a statement from a doubt, speech from writing, and a person from another; sets of words or of stems."""

from __future__ import annotations

from vidalign.text.stems import stem, stem_set, word_set


def phrase_set(text: str) -> frozenset[str]:
    """The stems of the words and pairs of words ("look_like") of a list."""
    return frozenset(" ".join(map(stem, phrase.split("_"))) for phrase in text.split())


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
REPORTS = SPEECH | stem_set("read write list mention")
"""What follows these in a clause is told, not seen."""
WRITING = stem_set(
    "reads displays shows written writes printed labelled labeled titled entitled subtitled captioned marked named bears spells "
    "inscribed emblazoned features dubbed"
)
TEXTS = stem_set(
    "sign text title subtitle caption screen logo poster banner label shirt t-shirt tshirt board graphic overlay word headline card page "
    "book message letter billboard chyron ticker watermark credit plaque sticker newspaper note lettering keypoint checklist "
    "prompt instruction description video"
)
"""What words can stand on, and does not speak."""
NO_LABELS = TEXTS | stem_set(
    "audio dialogue scene sound music transcript lyrics summary example time visual shot background"
)
"""What stands before a colon and names no speaker."""
ALOUD = {"call": ("out", ",", ":"), "read": ("out", "aloud")}
"""Verbs that are ones of saying only before these words."""
ABOUT_WORDS = SPEECH | WRITING | TEXTS
"""A keypoint with one of these may be about the words of a quotation."""
SHOWN = stem_set(
    "show sound noise shot close close-up view image footage voice picture scene pan cut zoom focus"
)
"""What hangs on these by a preposition is still what the caption tells of: "the sound of a dog barking"."""
PERSONS = word_set(
    "speaker person man woman boy girl child kid voice male female host guest narrator interviewer reporter teacher student mother "
    "father presenter announcer singer player officer doctor lady guy"
)
"""Words that name who speaks in the label of a script line."""
