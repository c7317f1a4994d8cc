"""Draw the land on the map of logins, templates/sessions_app/logins/_world_land.svg. Run once; the result is committed.

    python scripts/draw_world_map.py path/to/land-110m.json

The outlines are Natural Earth's 1:110m land polygons (naturalearthdata.com), which are in the public domain. The input
is their TopoJSON form as published in the npm package world-atlas 2 (`npm pack world-atlas@2`, file land-110m.json).
Nothing of the package is copied: its coordinates are projected (equirectangular, 1000 x 500), simplified to about
two thirds of a unit, and written as one path.
"""

import itertools
import json
import math
import re
import sys
from pathlib import Path
from typing import Any

OUTPUT = Path(__file__).resolve().parent.parent / "templates" / "sessions_app" / "logins" / "_world_land.svg"
WIDTH, HEIGHT = 1000, 500
TOLERANCE = 0.65  # units of the drawing; one unit is 0.36 degrees
SMALLEST = 1.0  # square units; smaller islands are left out

Point = tuple[float, float]
Ring = list[Point]


def decoded_arcs(topology: dict[str, Any]) -> list[Ring]:
    """Return the arcs in degrees. TopoJSON stores them as differences of integers with a transform."""
    (scale_x, scale_y), (move_x, move_y) = topology["transform"]["scale"], topology["transform"]["translate"]
    arcs = []
    for arc in topology["arcs"]:
        x = y = 0
        points = []
        for step_x, step_y in arc:
            x, y = x + step_x, y + step_y
            points.append((x * scale_x + move_x, y * scale_y + move_y))
        arcs.append(points)
    return arcs


def rings(geometry: dict[str, Any], arcs: list[Ring]) -> list[Ring]:
    """Return every ring of every polygon below `geometry`, outer and inner.

    A negative index of an arc means that the arc is read backwards.
    """
    if geometry["type"] == "GeometryCollection":
        return [ring for part in geometry["geometries"] for ring in rings(part, arcs)]
    polygons = geometry["arcs"] if geometry["type"] == "MultiPolygon" else [geometry["arcs"]]
    found = []
    for polygon in polygons:
        for indexes in polygon:
            ring: Ring = []
            for index in indexes:
                points = arcs[index] if index >= 0 else arcs[~index][::-1]
                ring.extend(points[1:] if ring else points)
            found.append(ring)
    return found


def unrolled(ring: Ring) -> Ring:
    """Return the ring without jumps from one edge of the map to the other.

    It may go beyond 180 degrees. A ring around a pole (Antarctica) does not come back to its start and is closed along
    the pole.
    """
    points = [ring[0]]
    for longitude, latitude in ring[1:]:
        before = points[-1][0]
        points.append((longitude + 360 * round((before - longitude) / 360), latitude))
    turn = points[-1][0] - points[0][0]
    if abs(turn) > 180:
        pole = math.copysign(90, points[0][1])
        # Once more around, so that the part between the edges of the map is complete, then along the pole.
        more = [(x + turn * n, y) for n in (-1, 0, 1) for x, y in points]
        return [*more, (more[-1][0], pole), (more[0][0], pole), more[0]]
    return points


def clipped(ring: Ring, edge: float, sign: int) -> Ring:
    """Return the part of the ring with sign * x <= sign * edge (the algorithm of Sutherland and Hodgman)."""
    result: Ring = []
    for (x1, y1), (x2, y2) in zip(ring, [*ring[1:], *ring[:1]], strict=True):
        is_in1, is_in2 = sign * x1 <= sign * edge, sign * x2 <= sign * edge
        if is_in1:
            result.append((x1, y1))
        if is_in1 != is_in2:
            result.append((edge, y1 + (y2 - y1) * (edge - x1) / (x2 - x1)))
    return result


def on_the_map(ring: Ring) -> list[Ring]:
    """Return the pieces of an unrolled ring that lie between -180 and 180 degrees."""
    pieces = []
    goes_around = max(x for x, _ in ring) - min(x for x, _ in ring) > 360
    for shift in (0,) if goes_around else (-360, 0, 360):
        piece = clipped(clipped([(x + shift, y) for x, y in ring], 180, 1), -180, -1)
        if piece:
            pieces.append(piece)
    return pieces


def simplified(points: Ring, tolerance: float) -> Ring:
    """Return a line with fewer points (the algorithm of Douglas and Peucker, without recursion)."""
    keep = {0, len(points) - 1}
    pending = [(0, len(points) - 1)]
    while pending:
        first, last = pending.pop()
        (x1, y1), (x2, y2) = points[first], points[last]
        length = math.hypot(x2 - x1, y2 - y1)
        worst, worst_index = 0.0, 0
        for index in range(first + 1, last):
            x, y = points[index]
            away = abs((x2 - x1) * (y1 - y) - (x1 - x) * (y2 - y1)) / length if length else math.hypot(x - x1, y - y1)
            if away > worst:
                worst, worst_index = away, index
        if worst > tolerance:
            keep.add(worst_index)
            pending += [(first, worst_index), (worst_index, last)]
    return [points[index] for index in sorted(keep)]


def area(points: Ring) -> float:
    """Return the area inside a closed line, in square units."""
    closed = [*points[1:], points[0]]
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in zip(points, closed, strict=True))) / 2


def path_of(points: Ring) -> str:
    """Return SVG path data in tenths of a unit, relative after the first point."""
    tenths = [(round(x * 10), round(y * 10)) for x, y in points]
    steps = [(x2 - x1, y2 - y1) for (x1, y1), (x2, y2) in itertools.pairwise(tenths)]
    numbers = [f"{n / 10:g}" for step in steps if step != (0, 0) for n in step]
    # SVG's own short spelling: no zero before the point, no space before a sign or a second point.
    lines = re.sub(r"(?<!\d)0\.", ".", " ".join(numbers)).replace(" -", "-")
    lines = re.sub(r"(\.\d+) (?=\.)", r"\1", lines)
    return f"M{tenths[0][0] / 10:g} {tenths[0][1] / 10:g}l{lines}z"


def main() -> None:
    """Read the TopoJSON file named on the command line and write the template."""
    topology = json.loads(Path(sys.argv[1]).read_text())
    paths = []
    for ring in rings(topology["objects"]["land"], decoded_arcs(topology)):
        for piece in on_the_map(unrolled(ring)):
            points = [((x + 180) / 360 * WIDTH, (90 - y) / 180 * HEIGHT) for x, y in piece]
            if area(points) >= SMALLEST:
                paths.append(path_of(simplified(points, TOLERANCE)))
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(
        "{# Drawn by scripts/draw_world_map.py from Natural Earth 1:110m land, public domain. #}"
        '<path class="world-map-land" fill="currentColor" fill-opacity="0.18" fill-rule="evenodd"'
        f' d="{"".join(paths)}"/>\n'
    )
    print(f"{OUTPUT}: {len(paths)} outlines, {OUTPUT.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
