from __future__ import annotations

import json
import struct
import zlib
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightmodel.core.task import Attachment, WireFormat
from rightmodel.routing.tokens import (
    PDF_PAGE,
    SAMPLED_ABOVE,
    UNREAD_IMAGE,
    attachment_tokens,
    estimate_tokens,
    image_size,
    image_tokens,
    pdf_pages,
)

# Texts written for this test; `tokens` are o200k_base counts by npm's gpt-tokenizer 4.0.
TEXTS = [
    json.loads(line)
    for line in (Path(__file__).parent / "token_counts.jsonl").read_text("utf-8").splitlines()
]
ERRORS: dict[str, list[float]] = defaultdict(list)
for text in TEXTS:
    ERRORS[text["kind"]].append(estimate_tokens(text["text"]) / text["tokens"] - 1)
KINDS_WITHIN = {kind: 0.15 if kind in {"english", "code", "json"} else 0.30 for kind in ERRORS}


@pytest.mark.parametrize(("kind", "bound"), KINDS_WITHIN.items())
def test_the_estimate_is_within_its_bound_on_average(kind: str, bound: float) -> None:
    errors = [abs(e) for e in ERRORS[kind]]
    assert sum(errors) / len(errors) <= bound


@pytest.mark.parametrize(("kind", "bound"), KINDS_WITHIN.items())
def test_no_single_text_is_far_off(kind: str, bound: float) -> None:
    assert max(abs(e) for e in ERRORS[kind]) <= max(0.20, bound)


def test_an_empty_text_has_no_tokens_and_any_other_has_one() -> None:
    assert estimate_tokens("") == 0
    assert estimate_tokens("x") == 1
    assert estimate_tokens(" ") == 1


def test_a_long_text_is_sampled_to_nearly_the_same_density() -> None:
    paragraph = TEXTS[0]["text"] + "\n"
    long = paragraph * (3 * SAMPLED_ABOVE // len(paragraph))
    exact = sum(estimate_tokens(paragraph) for _ in range(long.count("\n")))
    assert abs(estimate_tokens(long) / exact - 1) < 0.05


def test_sampling_sees_every_part_of_a_mixed_text() -> None:
    english = (TEXTS[0]["text"] * 600)[:150_000]
    chinese = ("昨天下午我们去看了新的办公室。" * 20_000)[:150_000]
    whole = estimate_tokens(english + chinese)
    assert whole == pytest.approx(estimate_tokens(english) + estimate_tokens(chinese), rel=0.07)


def test_the_step_to_sampling_makes_no_jump() -> None:
    text = (TEXTS[1]["text"] * 400)[: SAMPLED_ABOVE + 1]
    assert estimate_tokens(text) == pytest.approx(estimate_tokens(text[:-1]), rel=0.03)


@given(st.text(alphabet=st.characters()))
def test_any_text_has_an_estimate(text: str) -> None:
    assert estimate_tokens(text) >= bool(text)


@pytest.mark.parametrize(("text", "least"), [("ACGTTGCA", 0.4), ("MKVLAAGIV", 0.4), ("\0", 1.0)])
def test_genes_proteins_and_control_characters_are_not_free(text: str, least: float) -> None:
    assert estimate_tokens(text * 5_000) >= least * 5_000 * len(text)


def test_a_headline_in_capitals_is_not_counted_twice() -> None:
    text = "OUR NEW OFFICE IN BERLIN OPENS ON MONDAY, AND EVERYBODY IS INVITED TO THE PARTY."
    assert 18 <= estimate_tokens(text) <= 40


def test_lone_surrogates_do_no_harm() -> None:
    assert estimate_tokens("a\ud800b") >= 1


def png(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n\0\0\0\r" + body + struct.pack(">I", zlib.crc32(body))


def jpeg(width: int, height: int) -> bytes:
    app0 = b"\xff\xe0\x00\x10JFIF\0" + b"\0" * 9
    huffman = b"\xff\xc4\x00\x04\0\0"  # C4 lies among the frame markers and is none
    return (
        b"\xff\xd8" + app0 + huffman + b"\xff\xc2\x00\x11\x08" + struct.pack(">HH", height, width)
    )


def webp(kind: bytes, body: bytes) -> bytes:
    return b"RIFF\0\0\0\0WEBP" + kind + struct.pack("<I", len(body)) + body


IMAGES = {
    "png": png(640, 480),
    "jpeg": jpeg(640, 480) + b"\0" * 12,
    "gif": b"GIF89a" + struct.pack("<HH", 640, 480) + b"\0" * 3,
    "webp lossy": webp(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 640, 480)),
    "webp lossless": webp(b"VP8L", b"\x2f" + struct.pack("<I", 639 | 479 << 14)),
    "webp extended": webp(b"VP8X", b"\0\0\0\0\x7f\x02\x00\xdf\x01\x00"),
}


@pytest.mark.parametrize("data", IMAGES.values(), ids=IMAGES.keys())
def test_the_pixel_size_is_read_from_the_header(data: bytes) -> None:
    assert image_size(data) == (640, 480)


@pytest.mark.parametrize("data", IMAGES.values(), ids=IMAGES.keys())
def test_a_header_cut_short_has_no_size(data: bytes) -> None:
    for length in range(12):
        assert image_size(data[:length]) in {None, (640, 480)}


@given(st.binary(max_size=60))
def test_any_bytes_are_an_image_of_some_size_or_none(data: bytes) -> None:
    for start in (b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\0\0\0\0WEBPVP8L"):
        size = image_size(start + data)
        assert size is None or min(size) > 0


@pytest.mark.parametrize(
    ("width", "height", "protocol", "tokens"),
    [
        (1024, 1024, WireFormat.OPENAI_CHAT, 765),  # the guide's own examples
        (2048, 4096, WireFormat.OPENAI_CHAT, 1105),
        (200, 200, WireFormat.ANTHROPIC_MESSAGES, 54),
        (1000, 1000, WireFormat.ANTHROPIC_MESSAGES, 1334),
        (384, 384, WireFormat.GEMINI, 258),
        (1536, 768, WireFormat.GEMINI, 516),
    ],
)
def test_image_tokens_follow_the_published_formulae(
    width: int, height: int, protocol: WireFormat, tokens: int
) -> None:
    assert image_tokens(width, height, protocol) == tokens


def test_an_unknown_provider_is_reckoned_as_the_dearest() -> None:
    assert image_tokens(1000, 1000) == max(image_tokens(1000, 1000, p) for p in WireFormat)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 60_000), (60_000, 60_000)])
def test_images_of_any_size_have_a_bounded_price(width: int, height: int) -> None:
    for protocol in WireFormat:
        assert 0 < image_tokens(width, height, protocol) < 10_000


def test_an_image_without_a_readable_header_is_reckoned_as_a_usual_one() -> None:
    odd = Attachment("a.bmp", "image/bmp", b"BM....")
    assert attachment_tokens(odd) == image_tokens(*UNREAD_IMAGE)


def test_a_pdf_counts_by_its_pages() -> None:
    pages = (
        b"<< /Type /Pages /Count 3 >>" + b"<< /Type /Page >>" * 2 + b"<</Type/Page/Parent 1 0 R>>"
    )
    assert pdf_pages(pages) == 3
    assert attachment_tokens(Attachment("a.pdf", "application/pdf", pages)) == 3 * PDF_PAGE


def test_a_pdf_with_hidden_pages_counts_by_its_size() -> None:
    assert pdf_pages(b"%PDF-1.7" + b"\0" * 300_000) == 5
    assert pdf_pages(b"") == 1


def test_text_files_count_as_their_text_and_sound_by_its_size() -> None:
    data = TEXTS[0]["text"].encode()
    assert attachment_tokens(Attachment("a.md", "text/markdown", data)) == estimate_tokens(
        TEXTS[0]["text"]
    )
    assert attachment_tokens(Attachment("a.mp3", "audio/mpeg", b"\0" * 16_000)) == 33
