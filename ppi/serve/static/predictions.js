// Predictions as cards: pKd with its interval, Kd, and how familiar the complex is.

import { element, kdText, shape } from "./elements.js";

const LEAST = 2;
const MOST = 16;
const WIDTH = 520;

export function cards(rows) {
  return rows.map(card);
}

function card(row) {
  const near = row.nearest_complex
    ? `${row.nearest_complex}${row.nearest_pkd === null ? "" : `, measured pKd ${row.nearest_pkd.toFixed(1)}`}` +
      `, ${Math.round(100 * row.pair_identity)} % identical`
    : "none resembles it";
  const start = row.anchors ? `${row.anchors} measured complexes` : "the model alone";
  const facts = [
    ["Kd", `${kdText(row.kd_molar)} (${kdText(10 ** -row.pkd_upper)} to ${kdText(10 ** -row.pkd_lower)})`],
    ["dG", `${row.dg_kcal_mol.toFixed(1)} kcal/mol`],
    ["Nearest measured complex", near],
    ["The prediction starts from", start],
  ];
  if (row.warnings) facts.push(["Warnings", element("span", { class: "warn" }, row.warnings)]);
  return element(
    "article",
    { class: "card" },
    element("h3", {}, row.id),
    element("p", { class: "row" }, element("span", { class: "big" }, `pKd ${row.pkd.toFixed(1)}`),
      `90 % interval ${row.pkd_lower.toFixed(1)} to ${row.pkd_upper.toFixed(1)}`,
      row.novelty ? element("span", { class: `badge ${row.novelty}` }, `${row.novelty} to the model`) : null),
    interval(row),
    element("dl", {}, ...facts.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)])),
  );
}

function interval(row) {
  const least = Math.min(LEAST, Math.floor(row.pkd_lower));
  const most = Math.max(MOST, Math.ceil(row.pkd_upper));
  const x = (pkd) => 10 + ((pkd - least) / (most - least)) * (WIDTH - 20);
  const ticks = [];
  for (let pkd = Math.ceil(least / 2) * 2; pkd <= most; pkd += 2) {
    ticks.push(shape("line", { class: "axis", x1: x(pkd), x2: x(pkd), y1: 4, y2: 26 }),
      shape("text", { x: x(pkd), y: 41 }, String(pkd)));
  }
  const label = `pKd ${row.pkd.toFixed(1)}, from ${row.pkd_lower.toFixed(1)} to ${row.pkd_upper.toFixed(1)}`;
  return shape("svg", { class: "interval", viewBox: `0 0 ${WIDTH} 44`, role: "img", "aria-label": label }, ...ticks,
    shape("rect", { class: "bar", x: x(row.pkd_lower), y: 9, rx: 3, height: 12,
      width: Math.max(2, x(row.pkd_upper) - x(row.pkd_lower)) }),
    shape("circle", { class: "point", cx: x(row.pkd), cy: 15, r: 6 }));
}
