// A table whose columns sort it.

import { cellText, element } from "./elements.js";

const SHOWN = 500;

export function table(rows, columns) {
  const body = element("tbody");
  const heads = columns.map((name) => element("th", { scope: "col" }, button(name)));
  let sorted = [...rows];

  function button(name) {
    return element("button", { type: "button", onclick: () => sort(name) }, name.replace("_molar", "").replaceAll("_", " "));
  }

  function sort(name) {
    const head = heads[columns.indexOf(name)];
    const down = head.getAttribute("aria-sort") !== "descending";
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    sorted = [...rows].sort((a, b) => (down ? -1 : 1) * compared(a[name], b[name]));
    fill();
  }

  function fill() {
    body.replaceChildren(...sorted.slice(0, SHOWN).map((row) => element("tr", {},
      ...columns.map((name) => element("td", {}, cellText(name, row[name]))))));
  }

  fill();
  const hint = rows.length > SHOWN ? `The first ${SHOWN} of ${rows.length} rows; the CSV file has all.` : "";
  return element("div", {}, element("p", { class: "hint" }, hint),
    element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table" },
      element("table", {}, element("thead", {}, element("tr", {}, ...heads)), body)));
}

function compared(a, b) {
  if (a === null || b === null) return (a === null ? 0 : 1) - (b === null ? 0 : 1);
  return typeof a === "number" ? a - b : String(a).localeCompare(String(b));
}
