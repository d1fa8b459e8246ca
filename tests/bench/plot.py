"""Pictures of ratios: SVG written here, PNG made of it by rsvg-convert. One scale, one colour for what
is ours, a line at what everything is compared with."""
import shutil
import subprocess
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, ROW = 760, 270, 70, 28
INK, PALE, OURS, LINE = "#24292f", "#9aa7b4", "#1a7f5a", "#cf5b3a"
FONT = "font-family='DejaVu Sans,Verdana,sans-serif'"


def text(x, y, what, size=13, anchor="start", color=INK, weight="normal"):
    return (f"<text x='{x:.1f}' y='{y:.1f}' {FONT} font-size='{size}' text-anchor='{anchor}' "
            f"fill='{color}' font-weight='{weight}'>{escape(what)}</text>")


def save(path, height, parts):
    svg = (f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{height}' "
           f"viewBox='0 0 {WIDTH} {height}'>\n<rect width='100%' height='100%' fill='white'/>\n"
           + "\n".join(parts) + "\n</svg>\n")
    with open(path + ".svg", "w", encoding="utf-8") as file:
        file.write(svg)
    if shutil.which("rsvg-convert"):
        subprocess.run(["rsvg-convert", "--zoom", "1.25", "-o", path + ".png", path + ".svg"],
                       check=True)
    else:
        print("no PNG: rsvg-convert is missing")


def bars(path, title, subtitle, groups, one):
    """groups: [(heading, [(label, ratio, low, high, ours)])]; `one` names what 1.0 is."""
    top = max(high for _, rows in groups for _, _, _, high, _ in rows)
    scale = (WIDTH - LEFT - RIGHT) / max(top, 1.0)
    y, parts = 62, [text(16, 26, title, 17, weight="bold"), text(16, 46, subtitle, 12, color="#57606a")]
    begin = y
    for heading, rows in groups:
        if heading:
            y += 24
            parts.append(text(16, y, heading, 13, weight="bold"))
        for label, ratio, low, high, ours in rows:
            y += ROW
            width = max(ratio * scale, 1)
            parts.append(text(LEFT - 10, y, label, 13, "end"))
            parts.append(f"<rect x='{LEFT}' y='{y - 15}' width='{width:.1f}' height='20' rx='2' "
                         f"fill='{OURS if ours else PALE}'/>")
            parts.append(f"<path d='M{LEFT + low * scale:.1f} {y - 5}H{LEFT + high * scale:.1f}' "
                         f"stroke='{INK}' stroke-width='1.5' opacity='0.55'/>")
            parts.append(text(LEFT + max(width, high * scale) + 6, y, f"{ratio:.2f}", 12))
        y += 10
    x = LEFT + scale
    parts.append(f"<path d='M{x:.1f} {begin + 4}V{y}' stroke='{LINE}' stroke-width='1.5' "
                 "stroke-dasharray='4 3'/>")
    parts.append(text(x, y + 16, f"1 = {one}", 11, "middle" if x < WIDTH - 120 else "end", LINE))
    save(path, y + 30, parts)


def lines(path, title, subtitle, series):
    """series: [(name, [(what, ratio)])]: each begins at 1; its steps are spread over the width."""
    height, top, foot = 400, 80, 340
    high = max(1.3, max(r for _, points in series for _, r in points) * 1.1)
    parts = [text(16, 26, title, 17, weight="bold"), text(16, 46, subtitle, 12, color="#57606a")]

    def at(ratio):
        return foot - (foot - top) * ratio / high

    for mark in (0.85, 1.15):
        parts.append(f"<path d='M60 {at(mark):.1f}H{WIDTH - 190}' stroke='{LINE}' "
                     "stroke-dasharray='4 3' stroke-width='1'/>")
        parts.append(text(54, at(mark) + 4, f"{mark:.2f}", 11, "end", LINE))
    for mark in (0, 1):
        parts.append(f"<path d='M60 {at(mark):.1f}H{WIDTH - 190}' stroke='#d0d7de' stroke-width='1'/>")
        parts.append(text(54, at(mark) + 4, str(mark), 11, "end"))
    for n, (name, points) in enumerate(series):
        color = (OURS, "#3b6fb6", "#8a5bb5")[n % 3]
        step = (WIDTH - 190 - 90) / max(len(points) - 1, 1)
        spots = [(75 + i * step, at(ratio)) for i, (_, ratio) in enumerate(points)]
        parts.append("<path d='M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in spots)
                     + f"' fill='none' stroke='{color}' stroke-width='2'/>")
        for (x, y), (what, _) in zip(spots, points):
            parts.append(f"<circle cx='{x:.1f}' cy='{y:.1f}' r='3.5' fill='{color}'/>")
            parts.append(text(x, foot + 16 + 15 * n, what, 11, "middle", color))
        parts.append(text(WIDTH - 180, foot + 16 + 15 * n, name, 11, color=color))
    save(path, height, parts)
