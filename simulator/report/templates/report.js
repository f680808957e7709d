"use strict";
// Values under the pointer, and series that can be switched off. Positions come in SVG units.
const tip = document.createElement("div");
tip.className = "tip";
tip.hidden = true;
document.body.append(tip);

const inside = ([left, top, right, bottom], x, y) => x >= left && x <= right && y >= top && y <= bottom;

// Lines of text at a place: the point of every visible line that is nearest along the axis.
function linesAt(panel, hidden, x) {
  const texts = [];
  let best = null;
  for (const line of panel.lines.filter((each) => !hidden.has(each.name))) {
    const near = line.points.reduce((a, b) => (Math.abs(b[0] - x) < Math.abs(a[0] - x) ? b : a));
    if (best === null || Math.abs(near[0] - x) < Math.abs(best[0] - x)) best = near;
    texts.push(`${line.name}: ${near[3]}`);
  }
  return best === null ? null : { text: [best[2], ...texts].join("\n"), x: best[0] };
}

function answer(panel, hidden, x, y) {
  const cell = panel.cells.find((each) => !hidden.has(each.name) && inside(each.box, x, y));
  if (cell) return { text: `${cell.name}: ${cell.text}`, x: null };
  return panel.lines.length ? linesAt(panel, hidden, x) : null;
}

function watch(chart) {
  const figure = document.getElementById(chart.key);
  const svg = figure.querySelector("svg");
  const hidden = new Set();
  const guide = document.createElementNS("http://www.w3.org/2000/svg", "line");
  guide.setAttribute("stroke", "currentColor");
  guide.setAttribute("stroke-opacity", "0.5");
  guide.setAttribute("visibility", "hidden");
  svg.append(guide);

  function leave() {
    tip.hidden = true;
    guide.setAttribute("visibility", "hidden");
  }

  function look(event) {
    const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    const panel = chart.panels.find((each) => inside(each.box, place.x, place.y));
    const found = panel && answer(panel, hidden, place.x, place.y);
    if (!found) return leave();
    tip.textContent = found.text;
    tip.hidden = false;
    const right = event.clientX + 14 + tip.offsetWidth > window.innerWidth;
    tip.style.left = `${right ? Math.max(0, event.clientX - tip.offsetWidth - 14) : event.clientX + 14}px`;
    tip.style.top = `${Math.min(event.clientY + 14, window.innerHeight - tip.offsetHeight - 4)}px`;
    guide.setAttribute("visibility", found.x === null ? "hidden" : "visible");
    if (found.x !== null) {
      for (const [name, value] of [["x1", found.x], ["x2", found.x], ["y1", panel.box[1]], ["y2", panel.box[3]]])
        guide.setAttribute(name, value);
    }
  }

  svg.addEventListener("pointermove", look);
  svg.addEventListener("pointerdown", look);
  svg.addEventListener("pointerleave", leave);
  for (const button of figure.querySelectorAll("button[data-series]")) {
    button.addEventListener("click", () => {
      const series = chart.series[Number(button.dataset.series)];
      const off = !hidden.has(series.name);
      if (off) hidden.add(series.name);
      else hidden.delete(series.name);
      button.setAttribute("aria-pressed", String(!off));
      for (const id of series.ids) {
        const shape = document.getElementById(id);
        if (shape) shape.style.display = off ? "none" : "";
      }
    });
  }
}

JSON.parse(document.getElementById("charts").textContent).forEach(watch);
