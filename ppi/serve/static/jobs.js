// Jobs: begin one, follow it, show its report or its table.

import { cancel, follow, get, post, save } from "./client.js";
import { element } from "./elements.js";
import { table } from "./table.js";

// Begins a job, and puts it into the address of the page, so that a reload or a bookmark finds it again.
export async function runJob(kind, body, target, columns) {
  const begun = await (await post(`/${kind}`, body)).json();
  history.replaceState(null, "", `#${begun.id}`);
  await showJob(begun, target, columns);
}

export async function showJob(begun, target, columns) {
  const label = element("span", {}, "waiting");
  const bar = element("progress", { "aria-label": "Progress" });
  const stop = element("button", { type: "button", onclick: () => cancel(begun.id).catch(() => {}) }, "Cancel");
  target.replaceChildren(element("p", { class: "row" }, bar, label, stop));
  const last = await follow(begun.id, (job) => {
    label.textContent = job.progress ? `${job.state}: ${job.progress.what}` : job.state;
    if (job.progress?.total) {
      bar.max = job.progress.total;
      bar.value = job.progress.done;
    }
  });
  target.replaceChildren();
  if (last.state === "cancelled") target.append(element("p", {}, "The job was cancelled."));
  else if (last.state === "done") await show(begun.kind, begun.id, target, columns);
  else throw new Error(last.error);
}

async function show(kind, id, target, columns) {
  const csv = download(`/jobs/${id}/table.csv`, `${kind}.csv`, "Download CSV");
  if (columns) {
    const { result } = await (await get(`/jobs/${id}`)).json();
    target.replaceChildren(element("p", {}, result.summary), element("p", { class: "row" }, csv),
      table(result.rows, columns));
    return;
  }
  const page = download(`/jobs/${id}/page.html`, `${kind}.html`, "Download page");
  const text = await (await get(`/jobs/${id}/page.html`)).text();
  target.replaceChildren(element("p", { class: "row" }, csv, page), report(text));
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
