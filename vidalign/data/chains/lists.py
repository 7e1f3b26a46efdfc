"""English words by what they tell of a video. In a set of stems "car" stands for "cars" as well."""

from __future__ import annotations

from vidalign.text.stems import stem_set, word_set


def noun_set(text: str) -> frozenset[str]:
    """The words of a list and their regular plurals, and no verb that has their stem: "park" and "parks", not "parked"."""
    singular = text.split()
    plural = [
        f"{word[:-1]}ies" if word[-1] == "y" and word[-2] not in "aeo" else f"{word}s" for word in singular
    ]
    return frozenset([*singular, *plural, *(f"{word}es" for word in singular if word[-1] in "sxh")])


COLOURS = noun_set(
    "red orange yellow green blue purple pink brown black white grey violet magenta cyan turquoise teal maroon navy beige "
    "tan golden silver blonde blond brunette crimson scarlet khaki olive lavender burgundy ivory indigo amber colourful "
    "multicolored multicoloured monochrome reddish bluish greenish yellowish brownish pinkish greyish"
)
SIZES = stem_set(
    "big small large little tiny huge tall short long wide narrow thick thin giant massive enormous miniature oversized slim "
    "slender bulky broad deep shallow high low sized"
)
MATERIALS = stem_set(
    "wooden wood metal metallic glass plastic leather brick concrete stone marble denim cotton wool woollen paper cardboard "
    "rubber ceramic steel iron silk velvet fabric clay straw wicker bamboo tiled tile asphalt sand sandy grassy gravel lace"
)
ATTRIBUTES = stem_set(
    "striped plaid checkered checked polka floral patterned plain spotted dotted wet dry open closed empty full broken cracked "
    "rusty shiny dirty clean dusty muddy old young elderly new modern vintage ancient round square rectangular triangular oval "
    "curly straight bald bearded barefoot shirtless bright dark dim transparent curved flat pointed smooth rough fluffy furry "
    "shaggy ripe raw cooked frozen melted burning lit folded crowded busy deserted quiet ornate decorated sliced chopped soft "
    "hard sleeveless hooded tattooed blurry loose tight"
)
PERSONS = noun_set(
    "man woman boy girl person child kid baby toddler adult teenager lady gentleman guy people men women children mother father "
    "son daughter brother sister couple family player chef cook dancer singer musician guitarist drummer pianist soldier police "
    "policeman policewoman officer teacher student doctor nurse worker driver rider cyclist runner swimmer skater skier surfer "
    "athlete coach referee reporter presenter host anchor audience crowd spectator speaker bride groom priest farmer fisherman "
    "firefighter vendor waiter waitress barista customer shopper actor actress model clown magician barber hairdresser artist "
    "painter mechanic carpenter gymnast boxer wrestler goalkeeper batter pitcher diver climber hiker passenger pedestrian"
)
CLOTHES = noun_set(
    "shirt t-shirt tshirt blouse jacket coat sweater hoodie sweatshirt vest suit dress skirt pants trousers jeans shorts hat cap "
    "helmet beanie hood scarf necktie bowtie gloves shoes boots sneakers sandals heels socks glasses sunglasses goggles uniform robe "
    "gown apron swimsuit bikini mask necklace earrings bracelet belt backpack headphones headscarf hijab turban "
    "costume kimono jersey overalls tuxedo veil crown wig"
)
NUMBERS = word_set(
    "two three four five six seven eight nine ten eleven twelve dozen dozens several many few both pair trio couple single "
    "multiple numerous double triple twice thrice once hundreds thousands"
)
ACTIONS = stem_set(
    "walk run jump sit stand lie dance sing play ride drive swim climb throw catch kick hit push pull carry hold lift drop eat "
    "drink cook cut chop slice stir pour mix bake fry wash clean wipe sweep paint draw write read type speak talk laugh cry "
    "smile wave point clap hug kiss shake bow nod look watch stare open close lock build fix repair hammer saw drill sew knit "
    "fold wrap pack unpack load unload fly land sail row paddle surf ski skate slide roll spin rotate bounce fall rise float "
    "sink swing hang crawl kneel squat stretch bend lean reach grab pick place put give hand take receive show hide chase "
    "follow feed pet groom brush comb shave bark bite lick sniff dig plant water mow harvest shoot aim fish hunt fight punch "
    "wrestle block score serve bat dribble pass dive flip tumble march gallop trot graze blow light burn explode melt freeze "
    "splash drip spray spill break tear crush squeeze press touch tap knock type sign sleep wake yawn rest pray perform juggle "
    "appear disappear enter leave exit approach move turn stop park cross"
)
# Nouns and adjectives that end like a verb.
NO_ACTIONS = word_set(
    "building buildings ceiling evening morning wedding something anything nothing everything during clothing string king wing "
    "wings ring rings spring thing things being wearing according including surrounding railing railings crossing parking "
    "living dining swimming interesting long sling bedding lighting setting background opening flooring painting paintings "
    "drawing drawings earring earrings sibling siblings pudding frosting icing dressing stocking stockings"
)
MOTIONS = stem_set(
    "move walk run jog sprint drive ride fly swim turn spin rotate slide roll drift travel go come head face step climb fall rise "
    "pass jump crawl march sail float swing lean tilt pan push pull throw kick pour point look glance reach wave travel race rush "
    "stroll wander dash skate ski surf cycle gallop dive drop lift raise lower shift bend flow stream scroll"
)
DIRECTIONS = word_set(
    "toward towards upward upwards downward downwards forward forwards backward backwards leftward leftwards rightward rightwards "
    "clockwise counterclockwise anticlockwise sideways northward southward eastward westward uphill downhill upstream downstream "
    "away"
)
SIDES = word_set("left right up down in out into off back ahead around across through over past along")
PLACES = word_set(
    "behind beside between above below under underneath beneath near nearby opposite among amid inside outside atop adjacent "
    "beyond alongside against underwater top bottom center centre middle foreground corner front rear edge side upper lower"
)
ORDER = word_set(
    "then before after afterwards afterward first firstly second next finally last lastly later subsequently begins starts begin "
    "start began started ends end ending initially eventually followed following until once beginning concludes meanwhile"
)
CAMERA = word_set(
    "camera cameras zoom zooms zooming closeup tracking handheld aerial drone panoramic viewpoint perspective pov timelapse "
    "footage angle angles lens focus overhead dolly shots montage transitions fades"
)
CAMERA_MOVES = word_set("pan pans panning panned tilt tilts tilting tilted")
CAMERA_PAIRS = frozenset(
    (
        ("close", "up"),
        ("slow", "motion"),
        ("first", "person"),
        ("third", "person"),
        ("time", "lapse"),
        ("of", "view"),
    )
)
SHOTS = word_set(
    "wide medium long close up tracking opening closing static overhead aerial next final side top frontal angle"
)
TEXT = noun_set(
    "text caption subtitle title logo label banner sign signboard lettering slogan watermark headline"
)
WRITTEN = word_set(
    "reads reading written says saying displays displaying labeled labelled titled printed word words letters"
)
SCENES = noun_set(
    "kitchen bedroom bathroom livingroom room office classroom gym studio stage street road highway park garden forest woods "
    "beach ocean sea lake river pool mountain hill field desert farm city town village house home apartment restaurant cafe bar "
    "store shop supermarket mall market hospital school library museum church temple stadium arena court track rink airport "
    "station train bus boat ship plane warehouse factory workshop garage basement rooftop balcony yard backyard playground zoo "
    "jungle cave bridge tunnel sidewalk alley plaza square indoors outdoors indoor outdoor theater theatre cinema salon "
    "laboratory bakery driveway countryside meadow valley canyon island harbor harbour dock pier porch hallway corridor lobby"
)
TIMES = noun_set(
    "morning noon afternoon evening night nighttime daytime dawn dusk sunset sunrise midnight day daylight sunny cloudy overcast "
    "rainy raining rain snowy snowing snow foggy fog misty windy stormy storm sunlight moonlight winter summer autumn "
    "twilight"
)
SPEEDS = word_set(
    "slowly quickly rapidly fast slow quick swiftly briskly gradually suddenly gently steadily leisurely hurriedly abruptly "
    "vigorously carefully smoothly violently softly hastily"
)
FACES = stem_set(
    "smile frown laugh grin cry smiling frowning happy sad angry surprised serious scared excited calm bored worried confused "
    "shocked nervous tired cheerful upset joyful focused expression grimace scowl pout"
)
DETERMINERS = word_set("a an the this that these those his her its their one another each some")
