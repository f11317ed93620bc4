// Jobs: begin one, and follow it until its result can be shown.

import { cancel, follow, post } from "./client.js";
import { element } from "./elements.js";
import { show } from "./results.js";

// Begins a job, and puts it into the address of the page, so that a reload or a bookmark finds it again.
export async function runJob(kind, body, target) {
  const begun = await (await post(`/${kind}`, body)).json();
  history.replaceState(null, "", `#${begun.id}`);
  await followJob(begun, target);
}

export async function followJob(begun, target) {
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
  else if (last.state === "done") await show(begun.kind, begun.id, target);
  else throw new Error(last.error);
}
