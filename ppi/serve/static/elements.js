// Makes elements. Text is always set as text, so that nothing in it is taken for HTML.

export function element(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function shape(name, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "onclick") node.addEventListener("click", value);
    else node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

const UNITS = [[1e-3, "mM", 1e3], [1e-6, "µM", 1e6], [1e-9, "nM", 1e9], [1e-12, "pM", 1e12]];

// A Kd in mol/L with the unit that suits it.
export function kdText(molar) {
  const [, unit, factor] = UNITS.find(([least]) => molar >= least) ?? [0, "fM", 1e15];
  return `${Number((molar * factor).toPrecision(2))} ${unit}`;
}

// A cell of a table: Kd with its unit, other numbers with decimals, nothing where a value is missing.
export function cellText(name, value, decimals) {
  if (value === null || value === undefined) return "";
  if (name === "kd_molar") return kdText(value);
  return typeof value === "number" ? value.toFixed(decimals) : String(value);
}
