// A small line of a series, as SVG.

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 100;

function part(name, className) {
  const made = document.createElementNS(SVG, name);
  made.setAttribute("class", className);
  return made;
}

// Draws the values, the oldest first, into the node; says what it shows for those who do not see it.
export function sparkline(node, values, says) {
  if (!node.firstChild) {
    const drawing = part("svg", "sparkline");
    drawing.setAttribute("role", "img");
    drawing.setAttribute("preserveAspectRatio", "none");
    drawing.append(part("path", "area"), part("path", "stroke"));
    node.append(drawing);
  }
  const drawing = node.firstChild;
  const [area, stroke] = drawing.children;
  const most = Math.max(...values, 1);
  const points = values.map((value, place) => `${place},${(HEIGHT * (1 - value / most)).toFixed(1)}`);
  drawing.setAttribute("viewBox", `0 -4 ${values.length - 1} ${HEIGHT + 8}`);
  drawing.setAttribute("aria-label", says);
  stroke.setAttribute("d", `M${points.join("L")}`);
  area.setAttribute("d", `M0,${HEIGHT}L${points.join("L")}L${values.length - 1},${HEIGHT}Z`);
}
