"""The visual language: readable in both modes, and nothing that JSON cannot hold."""

import json
import re

import pytest

from rpclab.trace.pictures.look import CLASS, LOOK, colour_of, css
from rpclab.trace.pictures.templates import duration, size
from rpclab.trace.pictures.words import WORDS

TEXTS = ["text", "muted", "good", "bad", "warn", "pipelined"]
BEHIND = ["background", "band"]
MODES = ["light", "dark"]


def contrast(one, other):
    """The contrast of two colours, from 1 to 21, as WCAG 2 defines it."""
    bright, dark = sorted(map(_luminance, (one, other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def _luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_the_formula_is_that_of_the_standard():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize("text", TEXTS)
def test_texts_stand_out_from_what_is_behind_them(mode, text, behind):
    colours = LOOK["colours"][mode]
    assert contrast(colours[text], colours[behind]) >= 4.5


@pytest.mark.parametrize("mode", MODES)
def test_the_text_of_advice_stands_out_from_its_box(mode):
    colours = LOOK["colours"][mode]
    assert contrast(colours["text"], colours["warn-tint"]) >= 4.5


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("number", range(8))
def test_the_name_of_a_worker_stands_out_from_the_page_and_from_its_tint(mode, number):
    edge, tint = LOOK["workers"][mode][number]
    colours = LOOK["colours"][mode]
    assert min(contrast(edge, other) for other in (tint, *(colours[b] for b in BEHIND))) >= 4.5
    assert contrast(colours["text"], tint) >= 4.5  # a label in a bar


def test_both_modes_have_the_same_colours_and_everything_named_is_there():
    light, dark = (LOOK["colours"][mode] for mode in MODES)
    assert light.keys() == dark.keys()
    named = {each["colour"] for kind in ("lines", "marks") for each in LOOK[kind].values()}
    assert named <= light.keys()
    assert len({len(LOOK["workers"][mode]) for mode in MODES}) == 1


def test_marks_differ_in_shape_and_lines_in_more_than_colour():
    marks = LOOK["marks"].values()
    assert len({mark["path"] for mark in marks}) == len(marks)
    plain, pipelined = LOOK["lines"]["message"], LOOK["lines"]["pipelined"]
    assert (plain["dash"], plain["curved"]) != (pipelined["dash"], pipelined["curved"])


def test_the_look_is_data_for_javascript_too():
    assert json.loads(json.dumps(LOOK)) == LOOK


def test_the_style_sheet_touches_only_pictures_and_knows_dark_pages_and_paper():
    text = css()
    selectors = re.findall(r"(?:^|[{}])([^{}@]+)\{", text)
    assert all(CLASS in each for group in selectors for each in group.split(","))
    for mode in ("prefers-color-scheme:dark", "data-jp-theme-light=false", "@media print"):
        assert mode in text
    assert "url(" not in text


def test_the_notebook_keeps_its_colour_to_itself():
    assert [colour_of(position) for position in range(10)] == [0, 1, 2, 3, 4, 5, 6, 7, 1, 2]


def test_a_picture_has_the_rules_and_the_colours_that_it_uses_and_no_others():
    whole, lean = css(), css('<rect class="w1 later"/><path class="l-pipelined"/>')
    rules = re.findall(rf"\.{CLASS} \.([\w-]+)[{{,]", lean)
    assert sorted(rules) == ["bg", "l-pipelined", "later", "w1"]
    declared, used = (
        set(re.findall(r"(--rl-[\w-]+):", lean)),
        set(re.findall(r"var\((--rl-[\w-]+)", lean)),
    )
    assert declared == used
    assert len(lean) < len(whole) / 3


@pytest.mark.parametrize(
    ("size_in_bytes", "text"),
    [(0, "0 B"), (1023, "1,023 B"), (262_144, "256 KiB"), (1023 * 1024, "1,023 KiB"),
     (65_536, "64 KiB"), (3_307_000, "3.2 MiB"), (5 << 30, "5 GiB")],
)  # fmt: skip
def test_a_size_is_written_in_the_units_that_windows_and_limits_have(size_in_bytes, text):
    assert size(size_in_bytes) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (80e-6, "80 µs"), (0.26, "260 ms"), (0.99999, "1 s"), (1.2345, "1.235 s"),
     (12_345.6, "12,345.6 s")],
)  # fmt: skip
def test_a_time_is_written_with_a_unit_and_never_with_an_exponent(seconds, text):
    assert duration(seconds) == text


def test_every_end_and_every_message_has_a_mark_a_line_and_words():
    assert set(LOOK["ends"].values()) <= LOOK["marks"].keys()
    assert set(LOOK["messages"].values()) <= LOOK["lines"].keys()
    assert LOOK["ends"].keys() == WORDS["choices"]["ends"].keys()
    told = {name: text for _, name, text, _ in WORDS["legends"]["lifetimes"]}
    for why, mark in LOOK["ends"].items():
        assert told[mark] == WORDS["choices"]["ends"][why]
