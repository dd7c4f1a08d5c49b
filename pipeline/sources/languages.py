"""Names of languages as tables have them (`EN`, `English`, `en-US`, `spa`, `español`), as ISO 639-1 codes."""

import re
import unicodedata
from functools import lru_cache

# ISO 639-1, and the codes of ISO 639-3 that the stage `tag` can tell.
_CODES = """
aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo
es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg
ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn
no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta
te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu sco osp
"""
# Code: its three-letter codes, and its names in English, in Spanish and in itself.
_NAMES = {
    "ar": "ara arabic árabe العربية",
    "ast": "asturian asturiano",
    "bg": "bul bulgarian búlgaro български",
    "ca": "cat catalan catalán català valencian valenciano valencià",
    "cs": "ces cze czech checo čeština",
    "cy": "cym wel welsh galés cymraeg",
    "da": "dan danish danés dansk",
    "de": "deu ger german alemán deutsch",
    "el": "ell gre greek griego ελληνικά",
    "en": "eng english inglés ingles anglais englisch inglese",
    "eo": "epo esperanto",
    "es": "spa spanish español española castellano castilian espagnol spanisch spagnolo espanhol",
    "eu": "eus baq basque vasco euskera euskara",
    "fa": "fas per persian farsi persa فارسی",
    "fi": "fin finnish finés finlandés suomi",
    "fr": "fra fre french francés français",
    "ga": "gle irish irlandés gaeilge",
    "gd": "gla gaelic gaélico gàidhlig",
    "gl": "glg galician gallego galego",
    "he": "heb hebrew hebreo עברית",
    "hi": "hin hindi हिन्दी",
    "hr": "hrv croatian croata hrvatski",
    "hu": "hun hungarian húngaro magyar",
    "id": "ind indonesian indonesio",
    "is": "isl ice icelandic islandés íslenska",
    "it": "ita italian italiano",
    "ja": "jpn japanese japonés 日本語",
    "ko": "kor korean coreano 한국어",
    "la": "lat latin latín latina",
    "nl": "nld dut dutch neerlandés holandés nederlands",
    "no": "nor norwegian noruego norsk",
    "oc": "oci occitan occitano provençal",
    "pl": "pol polish polaco polski",
    "pt": "por portuguese portugués português",
    "ro": "ron rum romanian rumano română",
    "ru": "rus russian ruso русский",
    "sco": "scots escocés",
    "sr": "srp serbian serbio",
    "sv": "swe swedish sueco svenska",
    "ta": "tam tamil",
    "tr": "tur turkish turco türkçe",
    "uk": "ukr ukrainian ucraniano українська",
    "ur": "urd urdu اردو",
    "vi": "vie vietnamese vietnamita",
    "zh": "zho chi chinese chino 中文 mandarin",
}
_UNDECLARED = {"und", "unk", "unknown", "undetermined", "mul", "other", "otro", "desconocido"}


# What stands before or after a name: `British English`, `Lengua española`, `English language`.
_AROUND_A_NAME = re.compile(
    r"^(?:lang(?:uage)?\s*[:=]\s*|(?:british|american|us|uk|canadian|australian|mexican|latin american|european|modern"
    r"|early modern|lengua|idioma)\s+)(?=[a-z])|(?<=[a-z])\s+(?:language|lengua|idioma)$"
)


def _key(name: str) -> str:
    plain = unicodedata.normalize("NFD", name.strip().casefold())
    return "".join(sign for sign in plain if not unicodedata.combining(sign))


_BY_NAME = {code: code for code in _CODES.split()} | {
    _key(name): code for code, names in _NAMES.items() for name in [code, *names.split()]
}


@lru_cache(maxsize=1024)
def language_code(name: str) -> str | None:
    """The ISO 639-1 code of a language by code, locale or name; None where the name says that it is not known.

    Raises:
        ValueError: no such language is known.
    """
    key = _AROUND_A_NAME.sub("", _key(name))
    if key in _UNDECLARED:
        return None
    for part in (key, re.split(r"[\s(_/,;-]", key)[0]):  # `en-US`, `English (UK)`
        if found := _BY_NAME.get(part):
            rest = key[len(part) :].strip()
            if not rest or re.fullmatch(r"[-_][a-z0-9_.-]{2,16}|\(.*\)|(?:de|of) .*", rest):
                return found
    parts = [part.strip() for part in re.split(r"[;/,|]", key)]
    if len(parts) > 1 and len(codes := set(map(language_code, parts))) == 1:
        return codes.pop()
    raise ValueError(name)
