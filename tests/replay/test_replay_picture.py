"""The picture of a replay."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from agentmem.errors import ConfigurationError
from agentmem.replay.picture import draw, page, write_picture
from agentmem.replay.report import ReplayReport, RequestSize, Restore

SVG = "{http://www.w3.org/2000/svg}"


def report(count=100, *, threshold=30_000, **details):
    sizes = []
    tokens = whole = 1_000
    for index in range(count):
        tokens, whole = tokens + 700, whole + 700
        compacted = tokens > threshold
        tokens = threshold // 2 if compacted else tokens
        sizes.append(RequestSize(tokens, whole, compacted, restored=index % 10 == 5))
    return ReplayReport(
        requests=tuple(sizes),
        invocations=count // 2,
        messages=count * 2,
        restores=(Restore(5, 2, 0.012, 20),),
        compactions=sum(size.compacted for size in sizes),
        api_calls={"CreateEvent": count // 2},
        seconds=1.5,
        details={"token_threshold": threshold, **details},
    )


def elements(svg, css):
    return [element for element in ET.fromstring(svg).iter() if element.get("class") == css]


def texts(svg):
    return [element.text for element in ET.fromstring(svg).iter(f"{SVG}text")]


def test_every_compaction_and_every_restore_has_a_mark():
    drawn = report()
    svg = draw(drawn)
    # One more of each in the legend.
    assert len(elements(svg, "pass")) == sum(size.compacted for size in drawn.requests) + 1
    assert len(elements(svg, "restore")) == sum(size.restored for size in drawn.requests) + 1


def test_both_curves_the_threshold_and_the_units_are_there():
    svg = draw(report())
    assert len(elements(svg, "full")) == 2
    assert len(elements(svg, "kept")) == 3
    assert "threshold 30,000 tokens" in texts(svg)
    assert texts(svg).count("tokens") == 2
    assert "request to the model, in order" in texts(svg)


def test_everything_lies_inside_the_frame():
    root = ET.fromstring(draw(report(3_000)))
    width, height = (float(root.get(side)) for side in ("width", "height"))
    numbers = [
        (float(x), float(y))
        for path in root.iter(f"{SVG}path")
        for x, y in re.findall(r"([-\d.]+),([-\d.]+)", path.get("d"))
    ]
    assert len(numbers) > 1_000
    assert all(0 <= x <= width and 0 <= y <= height for x, y in numbers)


def test_a_peak_survives_the_thinning_of_a_long_replay():
    long = report(20_000)
    sizes = list(long.requests)
    sizes[12_345] = RequestSize(29_999_999, 30_000_000, compacted=False, restored=False)
    spiked = ReplayReport(tuple(sizes), 1, 1, (), 0, {}, 1.0, {"token_threshold": 30_000})
    path = elements(draw(spiked), "kept")[1].get("d")
    highest = min(float(y) for _, y in re.findall(r"([-\d.]+),([-\d.]+)", path))
    assert highest < 130
    assert len(path) < 150_000


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_tiny_replay_still_has_a_picture(count):
    assert ET.fromstring(draw(report(count))).tag == f"{SVG}svg"


def test_the_page_loads_nothing_and_escapes_what_it_is_told():
    made = page(report(file="a/<script>alert(1)&.jsonl"))
    assert "<script" not in made
    assert "&lt;script&gt;" in made
    assert not re.search(r"(?:src|href)=|url\(|@import", made)
    assert "largest request" in made


def test_the_ending_decides_what_is_written(tmp_path):
    drawn = report()
    write_picture(drawn, tmp_path / "new" / "picture.svg")
    write_picture(drawn, tmp_path / "picture.html")
    assert (tmp_path / "new" / "picture.svg").read_text(encoding="utf-8") == draw(drawn)
    assert (tmp_path / "picture.html").read_text(encoding="utf-8") == page(drawn)
    with pytest.raises(ConfigurationError, match=r"picture\.png.*\.html or \.svg"):
        write_picture(drawn, tmp_path / "picture.png")
