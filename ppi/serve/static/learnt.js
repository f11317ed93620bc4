// What was learnt from measured variants: warnings, scores, learning curves, and what follows from them.

import { element, shape } from "./elements.js";
import { table } from "./table.js";

const SCORES = {
  target: "target",
  predictor: "predictor",
  spearman: "Spearman, one left out",
  rmse: "RMSE",
  spearman_held_out: "Spearman, positions held out",
  rmse_held_out: "RMSE",
};
const LEFT_OUT = new Set(["model", "ligand", "receptor", "acquisition"]);
const [WIDTH, HEIGHT, LEFT, BOTTOM] = [480, 200, 44, 36];

export function learnt(result) {
  const { warnings, scores, targets } = result.learnt;
  const columns = Object.keys(SCORES).filter((name) => name in scores[0]);
  const parts = [
    element("h3", {}, "How well it ranks"),
    ...warnings.map((text) => element("p", { class: "notice" }, text)),
    table(scores, columns, SCORES),
    ...targets.flatMap(target),
  ];
  const isScores = "predictor" in (result.rows[0] ?? { predictor: 0 });
  if (!isScores) parts.unshift(...found(result.rows));
  return [...parts, element("details", {}, element("summary", {}, "In words"), element("pre", { tabindex: "0" }, result.summary))];
}

function found(rows) {
  const isPlate = "well" in rows[0];
  const columns = Object.keys(rows[0]).filter((name) =>
    !LEFT_OUT.has(name) && !name.endsWith("_std") && !(isPlate && name === "id"));
  return [element("h3", {}, isPlate ? "Variants to measure next" : "The pool, the best first"), table(rows, columns)];
}

function target(of) {
  const name = of.target ? `${of.target}: ` : "";
  const said = `${name}${of.variants} variants at ${of.positions} position(s), learnt from ${of.column}; ` +
    `${Math.round(100 * of.coverage)} % of the variants left out lie inside their 90 % interval.`;
  if (!of.points.length) return [element("p", { class: "hint" }, said)];
  return [element("p", { class: "hint" }, said), element("figure", {}, curve(of.points), element("figcaption", {},
    "Spearman correlation of the rest, by the number of variants that were learnt from."))];
}

function curve(points) {
  const values = points.map((point) => point.spearman);
  const least = Math.min(0, ...values.map((value) => Math.floor(value * 4) / 4));
  const step = (WIDTH - LEFT - 30) / Math.max(1, points.length - 1);
  const x = (number) => LEFT + 15 + number * step;
  const y = (value) => 12 + ((1 - value) / (1 - least)) * (HEIGHT - BOTTOM - 12);
  const parts = [];
  for (let tick = least; tick <= 1; tick += 0.25) {
    parts.push(shape("line", { class: "axis", x1: LEFT, x2: WIDTH - 8, y1: y(tick), y2: y(tick) }),
      shape("text", { x: LEFT - 20, y: y(tick) + 4 }, tick.toFixed(2)));
  }
  parts.push(shape("polyline", { class: "line", points: values.map((value, number) => `${x(number)},${y(value)}`).join(" ") }));
  points.forEach((point, number) => parts.push(
    shape("circle", { class: "point", cx: x(number), cy: y(point.spearman), r: 4 }),
    shape("text", { x: x(number), y: HEIGHT - 16 }, String(point.variants)),
  ));
  const label = points.map((point) => `${point.variants} variants: ${point.spearman.toFixed(2)}`).join(", ");
  return shape("svg", { class: "curve", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label }, ...parts);
}
