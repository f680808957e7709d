"use strict";
// Shows values under the pointer and switches series off and on. Positions are in SVG units.
const tip = document.createElement("div");
tip.className = "tip";
tip.hidden = true;
document.body.append(tip);

const inside = ([left, top, right, bottom], x, y) => x >= left && x <= right && y >= top && y <= bottom;

// Text at a position: for every visible line, its nearest point along the axis.
function valuesAt(panel, hidden, x) {
  const texts = [];
  let best = null;
  for (const line of panel.lines.filter((each) => !hidden.has(each.name))) {
    const near = line.points.reduce((a, b) => (Math.abs(b[0] - x) < Math.abs(a[0] - x) ? b : a));
    if (best === null || Math.abs(near[0] - x) < Math.abs(best[0] - x)) best = near;
    texts.push(`${line.name}: ${near[3]}`);
  }
  return best === null ? null : { text: [best[2], ...texts].join("\n"), x: best[0] };
}

function valueAt(panel, hidden, x, y) {
  const cell = panel.cells.find((each) => !hidden.has(each.name) && inside(each.box, x, y));
  if (cell) return { text: `${cell.name}: ${cell.text}`, x: null };
  return panel.lines.length ? valuesAt(panel, hidden, x) : null;
}

function makeInteractive(chart) {
  const figure = document.getElementById(chart.key);
  const svg = figure.querySelector("svg");
  const hidden = new Set();
  const guide = document.createElementNS("http://www.w3.org/2000/svg", "line");
  guide.setAttribute("stroke", "currentColor");
  guide.setAttribute("stroke-opacity", "0.5");
  guide.setAttribute("visibility", "hidden");
  svg.append(guide);

  function hideTip() {
    tip.hidden = true;
    guide.setAttribute("visibility", "hidden");
  }

  function showTip(event) {
    const position = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    const panel = chart.panels.find((each) => inside(each.box, position.x, position.y));
    const value = panel && valueAt(panel, hidden, position.x, position.y);
    if (!value) return hideTip();
    tip.textContent = value.text;
    tip.hidden = false;
    const right = event.clientX + 14 + tip.offsetWidth > window.innerWidth;
    tip.style.left = `${right ? Math.max(0, event.clientX - tip.offsetWidth - 14) : event.clientX + 14}px`;
    tip.style.top = `${Math.min(event.clientY + 14, window.innerHeight - tip.offsetHeight - 4)}px`;
    guide.setAttribute("visibility", value.x === null ? "hidden" : "visible");
    if (value.x !== null) {
      for (const [name, coordinate] of [["x1", value.x], ["x2", value.x], ["y1", panel.box[1]], ["y2", panel.box[3]]])
        guide.setAttribute(name, coordinate);
    }
  }

  svg.addEventListener("pointermove", showTip);
  svg.addEventListener("pointerdown", showTip);
  svg.addEventListener("pointerleave", hideTip);
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

JSON.parse(document.getElementById("charts").textContent).forEach(makeInteractive);
