"""One chart of lines with intervals as SVG, light or dark as its viewer is.

The line that matters and the limit stand out; all others are thin, and each
has its name at its end."""

from html import escape

LABELS = 132 # px, to the right of the lines
WIDTH, HEIGHT = 820, 460
LEFT, RIGHT, TOP, BOTTOM = 52, WIDTH - LABELS, 44, HEIGHT - 48
GAP = 14.5 # px between two names
MOST_TICKS = 12
STEPS = 5 # of the y axis
NAMED = ("ours", "bound", "behind") # kinds of lines

# Six hues, each solid and dashed: twelve thin lines that can be told apart.
HUES = (("#2f6db3", "#7fb2ea"), ("#b8690f", "#e8a65a"), ("#2e8540", "#77c98a"),
        ("#8250a8", "#c39ae6"), ("#117f86", "#5cc5cb"), ("#7a5c45", "#c4a78f"))

STYLE = """
  text { font: 12px system-ui, 'DejaVu Sans', sans-serif; fill: #333; }
  .title { font-size: 14px; font-weight: 600; }
  .paper { fill: #fff; }
  .grid { stroke: #e3e3e3; }
  .lead { stroke: #bbb; stroke-width: .7; fill: none; }
  .thin { stroke-width: 1.3; fill: none; }
  .ours { stroke: #c8102e; stroke-width: 3; fill: none; }
  .ours-name { fill: #c8102e; font-weight: 700; }
  .bound { stroke: #222; stroke-width: 2; fill: none;
           stroke-dasharray: 1.5 4; stroke-linecap: round; }
  .bound-name { fill: #222; font-weight: 700; }
  .behind { fill: #8883; stroke: none; }
  .behind-name { fill: #777; }
"""
DARK = """
  text { fill: #d0d0d0; }
  .paper { fill: #14171a; }
  .grid { stroke: #30353a; }
  .lead { stroke: #666; }
  .ours { stroke: #ff5d6c; }
  .ours-name { fill: #ff5d6c; }
  .bound { stroke: #f0f0f0; }
  .bound-name { fill: #f0f0f0; }
  .behind-name { fill: #999; }
"""


class Line:
    """`kind` is "ours", "bound", "behind" (an area behind the lines; its y is
    a share of the height), or the number of a thin line; points are
    (x, y, half interval), `marked` by a ring each."""

    def __init__(self, name, kind, points, marked=False):
        self.name, self.kind, self.points = name, kind, points
        self.marked = marked

    def classes(self):
        if self.kind in NAMED:
            return self.kind
        dashed = self.kind // len(HUES) % 2
        return "thin h%d%s" % (self.kind % len(HUES), " dash" * dashed)

    def name_class(self):
        if self.kind in NAMED:
            return self.kind + "-name"
        return "n%d" % (self.kind % len(HUES))


def hues(index):
    rules = []
    for i, hue in enumerate(HUES):
        rules.append("  .h%d { stroke: %s; }" % (i, hue[index]))
        rules.append("  .n%d { fill: %s; }" % (i, hue[index]))
    return "\n".join(rules) + "\n"


def style():
    return ("<style>%s%s  .dash { stroke-dasharray: 6 3; }\n"
            "  .bar { stroke-width: 1.3; stroke-dasharray: none; }\n"
            "@media (prefers-color-scheme: dark) {%s%s}\n</style>" % (
                STYLE, hues(0), DARK, hues(1)))


class Scale:
    """From values to px."""

    def __init__(self, xs, low=0, high=1):
        self.left, self.right = min(xs), max(xs)
        self.low, self.high = low, high

    def x(self, value):
        width = self.right - self.left
        part = (value - self.left) / width if width > 0 else 0.5
        return LEFT + part * (RIGHT - LEFT)

    def y(self, value):
        part = (value - self.low) / (self.high - self.low)
        return BOTTOM - min(max(part, 0), 1) * (BOTTOM - TOP)

    def of(self, line):
        """The scale that its y has."""
        return (Scale((self.left, self.right)) if line.kind == "behind"
                else self)


def axes(scale, xs, x_name, y_name):
    out = []
    for k in range(STEPS + 1):
        value = scale.low + (scale.high - scale.low) * k / STEPS
        y = scale.y(value)
        out.append('<line class="grid" x1="%g" y1="%.1f" x2="%g" y2="%.1f"/>'
                   % (LEFT, y, RIGHT, y))
        out.append('<text x="%g" y="%.1f" text-anchor="end">%g</text>'
                   % (LEFT - 8, y + 4, round(value, 4)))
    for x in xs[::1 + len(xs) // MOST_TICKS]:
        out.append('<line class="grid" x1="%.1f" y1="%g" x2="%.1f" y2="%g"/>'
                   % (scale.x(x), TOP, scale.x(x), BOTTOM))
        out.append('<text x="%.1f" y="%g" text-anchor="middle">%g</text>'
                   % (scale.x(x), BOTTOM + 18, x))
    out.append('<text x="%g" y="%g" text-anchor="middle">%s</text>'
               % ((LEFT + RIGHT) / 2, BOTTOM + 38, escape(x_name)))
    out.append('<text transform="translate(14 %g) rotate(-90)" '
               'text-anchor="middle">%s</text>'
               % ((TOP + BOTTOM) / 2, escape(y_name)))
    return out


def drawn(scale, line):
    """The line, and through each point its interval."""
    points = [(scale.x(x), scale.of(line).y(y)) for x, y, _ in line.points]
    if line.kind == "behind":
        points = ([(points[0][0], BOTTOM)] + points +
                  [(points[-1][0], BOTTOM)])
    path = "M" + "L".join("%.1f %.1f" % point for point in points)
    bars = "".join("M%.1f %.1fV%.1f" % (scale.x(x), scale.y(y - half),
                                        scale.y(y + half))
                   for x, y, half in line.points if 0 < half < 1)
    classes = line.classes()
    rings = "".join('<circle class="%s bar" cx="%.1f" cy="%.1f" r="3"/>'
                    % (classes, x, y) for x, y in points if line.marked)
    return ('<path class="%s bar" d="%s"/>' % (classes, bars) if bars else ""
            ) + '<path class="%s" d="%s"/>' % (classes, path) + rings


def spread(wanted, gap, low, high):
    """Places as near as may be to those wanted (ascending), `gap` apart:
    neighbours that would overlap share a middle."""
    groups = [] # [sum of wanted starts, number of members]
    for i, place in enumerate(wanted):
        groups.append([place - i * gap, 1])
        while len(groups) > 1 and (groups[-2][0] / groups[-2][1] >
                                   groups[-1][0] / groups[-1][1]):
            total, n = groups.pop()
            groups[-1][0] += total
            groups[-1][1] += n
    places, i = [], 0
    last = high - gap * (len(wanted) - 1)
    for total, n in groups:
        start = max(min(total / n, last), low)
        for _ in range(n):
            places.append(start + i * gap)
            i += 1
    return places


def names(scale, lines):
    ends = sorted((scale.of(line).y(line.points[-1][1]), i)
                  for i, line in enumerate(lines))
    places = spread([y for y, _ in ends], GAP, TOP, BOTTOM)
    out = []
    for (y, i), place in zip(ends, places):
        line = lines[i]
        x = scale.x(line.points[-1][0])
        out.append('<path class="lead" d="M%.1f %.1fL%g %.1f"/>'
                   % (x + 3, y, RIGHT + 22, place))
        out.append('<text class="%s" x="%g" y="%.1f">%s</text>'
                   % (line.name_class(), RIGHT + 26, place + 4,
                      escape(line.name)))
    return out


def chart(title, x_name, y_name, lines, y_range=(0, 1)):
    """The SVG text. Lines are drawn in their order, the last one on top."""
    xs = sorted({x for line in lines for x, _, _ in line.points})
    scale = Scale(xs, *y_range)
    parts = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" '
             'width="%d" height="%d" role="img">' % (
                 WIDTH, HEIGHT, WIDTH, HEIGHT),
             "<title>%s</title>" % escape(title), style(),
             '<rect class="paper" width="%d" height="%d"/>' % (WIDTH, HEIGHT),
             '<text class="title" x="%g" y="24">%s</text>' % (
                 LEFT, escape(title))]
    parts += axes(scale, xs, x_name, y_name)
    parts += [drawn(scale, line) for line in lines]
    parts += names(scale, lines)
    return "\n".join(parts + ["</svg>", ""])
