// Shows the result of a job: a report of ours, or a table.

import { get, save } from "./client.js";
import { element } from "./elements.js";
import { learnt } from "./learnt.js";
import { table } from "./table.js";

const SCREEN_COLUMNS = ["ligand", "receptor", "rank", "pkd", "pkd_lower", "pkd_upper", "kd_molar", "overlapping",
  "novelty", "nearest_complex", "nearest_pkd", "warnings"];

export async function show(kind, id, target) {
  const csv = download(`/jobs/${id}/table.csv`, `${kind}.csv`, "Download CSV");
  if (kind === "scan" || kind === "explain") {
    const page = download(`/jobs/${id}/page.html`, `${kind}.html`, "Download page");
    const text = await (await get(`/jobs/${id}/page.html`)).text();
    target.replaceChildren(element("p", { class: "row" }, csv, page), report(text));
    return;
  }
  const { result } = await (await get(`/jobs/${id}`)).json();
  const parts = kind === "screen"
    ? [element("p", {}, result.summary), table(result.rows, SCREEN_COLUMNS)]
    : learnt(result);
  target.replaceChildren(element("p", { class: "row" }, csv), element("div", { class: "result" }, ...parts));
}

function download(path, name, label) {
  return element("button", { type: "button", onclick: async () => save(await (await get(path)).blob(), name) }, label);
}

// The body of a page of ours. Its own style is left out: the policy of this page allows none inline.
function report(text) {
  const body = text.slice(text.indexOf("<body>")).replaceAll(/ style="[^"]*"/g, "");
  const parsed = new DOMParser().parseFromString(body, "text/html");
  const shown = element("div", { class: "report" }, ...parsed.body.childNodes);
  for (const found of shown.querySelectorAll("table")) {
    const frame = element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table" });
    found.replaceWith(frame);
    frame.append(found);
  }
  return shown;
}
