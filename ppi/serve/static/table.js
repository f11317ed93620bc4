// A table whose columns sort it.

import { cellText, element } from "./elements.js";

const SHOWN = 500;
const LONG = 60;

// `labels` gives columns other names than their own.
export function table(rows, columns, labels = {}) {
  const body = element("tbody");
  const isText = Object.fromEntries(columns.map((name) => [name, rows.some((row) => typeof row[name] === "string")]));
  const decimals = Object.fromEntries(columns.map((name) => [name, rows.some((row) => isFraction(row[name])) ? 2 : 0]));
  const heads = columns.map((name) => element("th", { scope: "col", class: isText[name] ? "text" : "" }, button(name)));
  let sorted = [...rows];

  function button(name) {
    const label = labels[name] ?? name.replace("_molar", "").replaceAll("_", " ");
    return element("button", { type: "button", onclick: () => sort(name) }, label);
  }

  function sort(name) {
    const head = heads[columns.indexOf(name)];
    const down = head.getAttribute("aria-sort") !== "descending";
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    sorted = [...rows].sort((a, b) => (down ? -1 : 1) * compared(a[name], b[name]));
    fill();
  }

  function cell(name, value) {
    const text = cellText(name, value, decimals[name]);
    return element("td", { class: `${isText[name] ? "text" : ""}${text.length > LONG ? " long" : ""}` }, text);
  }

  function fill() {
    body.replaceChildren(...sorted.slice(0, SHOWN).map((row) => element("tr", {},
      ...columns.map((name) => cell(name, row[name])))));
  }

  fill();
  const hint = `The first ${SHOWN} of ${rows.length} rows; the CSV file has all.`;
  return element("div", {}, rows.length > SHOWN ? element("p", { class: "hint" }, hint) : null,
    element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table" },
      element("table", {}, element("thead", {}, element("tr", {}, ...heads)), body)));
}

const isFraction = (value) => typeof value === "number" && !Number.isInteger(value);

function compared(a, b) {
  if (a === null || b === null) return (a === null ? 0 : 1) - (b === null ? 0 : 1);
  return typeof a === "number" ? a - b : String(a).localeCompare(String(b));
}
