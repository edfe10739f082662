"""Titles and names can be seen: what people write is accepted, control characters and invisible text are not."""

import json
import re
import shutil
import subprocess
import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pg8000.native import Connection as OwnerConnection
from pydantic import ValidationError

from backend.auth.schemas import SignUp
from backend.tasks.schemas import TaskCreate, TaskUpdate
from backend.web.text import SingleLine
from tests.support.contract import DOCUMENT
from tests.support.missing import skip_or_fail
from tests.support.people import Person

NAMES_AND_TITLES = {
    "Amharic": ("ሰላማዊት ተስፋዬ", "ወተት ግዛ"),
    "Arabic": ("مُحَمَّد الفاتح", "شراء ٢ لتر من الحليب"),
    "Armenian": ("Արամ Խաչատրյան", "Կաթ գնել"),
    "Bengali": ("রবীন্দ্রনাথ ঠাকুর", "দুধ কিনুন"),
    "Burmese": ("အောင်ဆန်း", "နို့ဝယ်ပါ"),
    "Chinese": ("李小龍", "买牛奶，两升"),
    "Czech": ("Božena Němcová", "Koupit mléko"),
    "English": ("Ada O'Brien-Lovelace, Jr.", "Buy milk (2 l) — today!"),
    "French": ("Françoise Dʼœuvre", "Acheter du lait : « bio »"),
    "Georgian": ("შოთა რუსთაველი", "იყიდე რძე"),
    "German": ("Jürgen Groß", "Müll rausbringen"),
    "Greek": ("Νίκος Καζαντζάκης", "Αγόρασε γάλα"),
    "Gujarati": ("મોહનદાસ ગાંધી", "દૂધ ખરીદો"),
    "Hebrew": ("שָׁלוֹם עֲלֵיכֶם", "לקנות חלב\u200f (2)"),
    "Hindi": ("प्रेमचंद", "दूध ख़रीदना है"),
    "Icelandic": ("Þórður Ægisson", "Kaupa mjólk"),
    "Inuktitut": ("ᓄᓇᕗᑦ", "ᐃᒻᒧᒃ"),
    "Japanese": ("紫式部", "牛乳を買う・２本"),
    "Javanese": ("ꦱꦺꦤꦺꦴ", "ꦠꦸꦏꦸ"),
    "Kannada": ("ಕುವೆಂಪು", "ಹಾಲು ಖರೀದಿಸಿ"),
    "Khmer": ("ព្រះបាទ", "ទិញទឹកដោះគោ"),
    "Korean": ("세종대왕", "우유 사기"),
    "Korean, decomposed": ("\u1109\u1166\u110c\u1169\u11bc", "\u110b\u116e\u110b\u1172"),
    "Lao": ("ສຸພານຸວົງ", "ຊື້ນົມ"),
    "Malayalam": ("തകഴി", "പാൽ വാങ്ങുക"),
    "Mongolian": ("ᠴᠢᠩᠭᠢᠰ ᠬᠠᠭᠠᠨ", "ᠰᠦ᠋"),
    "Persian": ("فردوسی", "می‌خواهم شیر بخرم"),
    "Polish": ("Łucja Żółć", "Kupić mleko"),
    "Russian": ("Фёдор Достоевский", "Купить молоко"),
    "Sinhala": ("මාර්ටින් වික්‍රමසිංහ", "කිරි ගන්න"),
    "Tamil": ("பாரதியார்", "பால் வாங்கு"),
    "Telugu": ("గురజాడ", "పాలు కొను"),
    "Thai": ("สุนทรภู่", "ซื้อนม"),
    "Tibetan": ("མི་ལ་རས་པ", "འོ་མ་ཉོ"),
    "Turkish": ("Yaşar Kemal İıŞş", "Süt al"),
    "Vietnamese": ("Nguyễn Du", "Mua s\u01b0\u0303a"),
    "Yoruba": ("Ṣóyínká Wọlé", "Ra wàrà"),
}
SYMBOLS = [
    "👩‍👩‍👧‍👦",  # joined by U+200D
    "🧑🏽‍🚀 🏳️‍🌈",
    "❤️",  # with the variation selector U+FE0F
    "1️⃣",  # a keycap: 1, U+FE0F, U+20E3
    "🇩🇪",
    "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",  # Scotland: a flag of tag characters
    "邊\U000e0101",  # an ideograph with a variation selector
    "e\u0301\u0323",
    "\u25cc\u0301",
    "\u202bمرحبا\u202c",  # embedded from right to left
    "\u2067שלום\u2069 (2)",
    "so\u00adlar",
    "zero\u200bwidth",
    "a\u2028b\u2029c",
    "\u2800\u2813\u2811",  # Braille
    "🝰 ∞ № %",
    "-",
    ".",
    "0",
    "\ue000",  # private use: some fonts have icons there
    "\U0001fae8",  # newer than the Unicode of Python 3.11
]
INVISIBLE = {
    "zero width": "\u200b\u200c\u200d\u2060",
    "byte order mark between others": "\u200b\ufeff\u200b",
    "marks of direction": "\u200e\u200f\u202e",
    "soft hyphen": "\u00ad",
    "Hangul fillers": "\u3164\u115f\u1160\uffa0",
    "blank Braille": "\u2800",
    "combining accent": "\u0301",
    "combining enclosing keycap": "\u20e3",
    "variation selector": "\ufe0f",
    "grapheme joiner": "\u034f",
    "separators": "\u200b\u2028\u2029\u3000\u200b",
    "reserved": "\u2065\ufff0",
    "tag characters": "\U000e0001\U000e0067\U000e007f",
    "variation selector beyond U+FFFF": "\U000e0100",
    "reserved beyond U+FFFF": "\U000e0fff",
    "format of music": "\U0001d173",
    "null note head": "\U0001d159",
    "vowel point": "\u05b7",
    "vowel sign": "\u0941",
}
EVERY_CHARACTER = [chr(code) for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF]
PATTERN: str = DOCUMENT["components"]["schemas"]["TaskCreate"]["properties"]["title"]["pattern"]


def is_accepted(text: str) -> bool:
    try:
        SingleLine(200).check(text)
    except ValueError:
        return False
    return True


@pytest.mark.spec("EDGE-special-characters-in-task-data", "FR-024", "NFR-027")
@pytest.mark.parametrize("language", NAMES_AND_TITLES)
def test_names_and_titles_of_all_languages_are_accepted(language: str) -> None:
    name, title = NAMES_AND_TITLES[language]

    assert SignUp(email="a@example.com", password="long enough", name=name).name == name
    assert TaskCreate(title=title).title == TaskUpdate(title=title).title == title
    assert re.search(PATTERN, name)
    assert re.search(PATTERN, title)


@pytest.mark.spec("EDGE-special-characters-in-task-data", "FR-024")
@pytest.mark.parametrize("text", SYMBOLS, ids=ascii)
def test_symbols_marks_and_joiners_are_accepted(text: str) -> None:
    assert TaskCreate(title=text).title == text
    assert re.search(PATTERN, text)


@pytest.mark.spec("FR-024", "FR-029", "SC-005")
@pytest.mark.parametrize("text", INVISIBLE.values(), ids=INVISIBLE)
def test_invisible_text_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="must have a visible character; please write a word or a symbol"):
        TaskCreate(title=text)


@pytest.mark.spec("FR-024", "FR-029", "SC-005")
@pytest.mark.parametrize("code", [*range(0x20), *range(0x7F, 0xA0)], ids="U+{:04X}".format)
def test_a_control_character_is_refused_and_named(code: int) -> None:
    name = {"\n": "line break", "\r": "line break", "\t": "tab"}.get(chr(code), f"character U+{code:04X}")
    text = f"Buy{chr(code)}milk"

    with pytest.raises(ValueError, match=rf"^must be one line of text; please remove the {re.escape(name)}$"):
        SingleLine(200).check(text)

    assert not re.search(PATTERN, text)


@pytest.mark.spec("SC-019")
def test_the_document_refuses_no_character_that_the_code_accepts() -> None:
    by_code = {each for each in EVERY_CHARACTER if is_accepted(each)}
    by_pattern = {each for each in EVERY_CHARACTER if re.search(PATTERN, each)}

    assert by_code < by_pattern
    control = {each for each in EVERY_CHARACTER if unicodedata.category(each) == "Cc"}
    assert control & by_pattern == {"\n"}  # for Python, `$` is also before a line break at the end


@pytest.mark.spec("SC-019", "NFR-019")
def test_the_pattern_means_the_same_in_ecmascript() -> None:
    """With and without ECMAScript's flag `u`."""
    if not (node := shutil.which("node")):
        skip_or_fail("Node is missing (apt install nodejs): that the pattern means the same there is not tested")
    inside = [f"{first}{each}{last}" for each in EVERY_CHARACTER[:0x10000] for first, last in (("", ""), ("a", "b"))]
    texts = [*inside, *NAMES_AND_TITLES["Persian"], *SYMBOLS, ""]
    texts.remove("\n")  # for Python, `$` is also before a line break at the end
    script = """
        const [pattern, texts] = JSON.parse(require("fs").readFileSync(0, "utf8"));
        console.log(JSON.stringify(["", "u"].map(flags => texts.map(text => new RegExp(pattern, flags).test(text)))));
    """

    run = subprocess.run(
        [node, "--eval", script], input=json.dumps([PATTERN, texts]), capture_output=True, text=True, check=True
    )

    in_python = [re.search(PATTERN, text) is not None for text in texts]
    assert json.loads(run.stdout) == [in_python, in_python]


def test_the_patterns_of_the_document_are_short_and_plain_ascii() -> None:
    """A generator of clients decodes `\\u2028`, and so would write a line break into its source."""
    patterns = re.findall(r'"pattern": "(.*?)"[,}]', json.dumps(DOCUMENT, ensure_ascii=False))

    assert {pattern for pattern in patterns if "\\u" in pattern or not pattern.isascii() or len(pattern) > 40} == set()
    assert len(patterns) > 3


@pytest.mark.spec("FR-001", "FR-024")
@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.from_regex(re.compile(r"[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]{1,240}", re.ASCII), fullmatch=True))
def test_the_name_taken_from_an_e_mail_is_valid(local_part: str) -> None:
    name = SignUp(email=f"{local_part}@example.com", password="long enough").display_name

    assert SingleLine(100).check(name) == name


@pytest.mark.spec("FR-018", "FR-020", "FR-021")
@pytest.mark.parametrize("title", ["Buy\r\nmilk\x1b[31m", "\u200b", "\u3164"], ids=["control", "zero width", "filler"])
def test_a_task_stored_with_such_a_title_can_be_used(ada: Person, owner: OwnerConnection, title: str) -> None:
    task: dict[str, Any] = ada.create_task()
    path = f"/api/tasks/{task['id']}"
    owner.run("update tasks set title = :title where id = :id", title=title, id=task["id"])

    toggled = ada.patch(f"{path}/toggle")
    described = ada.put(path, json={"description": "two\nlines", "completed": False})

    assert (toggled.status_code, described.status_code) == (200, 200)
    assert toggled.json()["title"] == described.json()["title"] == ada.tasks()[0]["title"] == title
    assert ada.put(path, json={"title": title}).status_code == 422
    assert ada.put(path, json={"title": "Buy milk"}).json()["title"] == "Buy milk"


def test_a_user_stored_with_such_a_name_can_sign_in(ada: Person, owner: OwnerConnection) -> None:
    owner.run("update users set name = :name where id = :id", name="\u200b\x07", id=ada.id)

    assert ada.sign_in_again().auth["user"]["name"] == "\u200b\x07"
