// The page: what happens when a form is sent, and when the address names a job.

import { get, post, save } from "./client.js";
import { element } from "./elements.js";
import { clear, fail } from "./errors.js";
import { byId, fill, setUpFields, setUpTabs } from "./fields.js";
import { followJob, runJob } from "./jobs.js";
import { cards } from "./predictions.js";

const text = (id) => byId(id).value;
const words = (id) => text(id).split(/[\s,]+/).filter(Boolean);
const given = (id) => text(id).trim() || null;

// Does the work of a form, and shows its result or what is wrong.
async function attempt(kind, work) {
  const form = byId(kind);
  const button = form.querySelector('[type="submit"]');
  const target = byId(`${kind}-result`);
  clear(form);
  button.disabled = true;
  target.replaceChildren(element("p", { class: "hint" }, "The server is working."));
  try {
    await work(target);
  } catch (error) {
    target.replaceChildren();
    fail(form, error.message);
  } finally {
    button.disabled = false;
  }
}

function onSubmit(kind, work) {
  byId(kind).addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(kind, work);
  });
}

async function predict(target) {
  const body = { text: text("predict-text") };
  const { predictions } = await (await post("/predict", body)).json();
  const csv = element("button", {
    type: "button",
    onclick: async () => save(await (await post("/predict", body, "text/csv")).blob(), "predictions.csv"),
  }, "Download CSV");
  target.replaceChildren(element("p", { class: "row" }, csv), ...cards(predictions));
}

function adapt(target) {
  const next = text("adapt-next");
  const body = { measured: text("adapt-measured"), wild: given("adapt-wild"), value: given("adapt-value") };
  if (next !== "score") body.pool = next === "rank" ? text("adapt-pool") : given("adapt-pool");
  if (next !== "suggest") return runJob("adapt", body, target);
  const avoid = [...document.querySelectorAll('[name="avoid"]:checked')].map((box) => box.value);
  return runJob("suggest", {
    ...body,
    avoid,
    sites: words("adapt-sites"),
    library: words("adapt-library"),
    size: Number(text("adapt-size")),
    plate: Number(text("adapt-plate")),
    by: text("adapt-by"),
    controls: byId("adapt-controls").checked,
  }, target);
}

// The parts of the form that the next step needs.
function showParts() {
  for (const part of document.querySelectorAll("[data-for]")) {
    part.hidden = !part.dataset.for.split(" ").includes(text("adapt-next"));
  }
}

// Shows the job that the address of the page names.
async function showLinked(choose) {
  const id = location.hash.slice(1);
  if (!/^[0-9a-f]{32}$/.test(id)) return;
  let job;
  try {
    job = await (await get(`/jobs/${id}`)).json();
  } catch (error) {
    byId("predict-result").replaceChildren(element("p", { class: "error" }, error.message));
    return;
  }
  const kind = job.kind === "suggest" ? "adapt" : job.kind;
  choose(kind);
  byId("predict-result").replaceChildren();
  await attempt(kind, (target) => followJob(job, target));
}

const choose = setUpTabs();
setUpFields();
onSubmit("predict", predict);
onSubmit("scan", (target) => runJob("scan", {
  text: text("scan-text"),
  sites: words("scan-sites"),
  alanine: byId("scan-alanine").checked,
}, target));
onSubmit("explain", (target) => runJob("explain", { text: text("explain-text") }, target));
onSubmit("screen", (target) => runJob("screen", {
  ligands: { text: text("screen-ligands") },
  receptors: { text: text("screen-receptors") },
  per: text("screen-per"),
}, target));
onSubmit("adapt", adapt);
byId("adapt-next").addEventListener("change", showParts);
showParts();
byId("screen-example").addEventListener("click", () => fill({
  "screen-ligands": "peptides.fasta", "screen-receptors": "proteins.fasta",
}));
byId("adapt-example").addEventListener("click", () => fill({
  "adapt-measured": "hyhel10_measured.csv", "adapt-wild": "hyhel10_lysozyme.fasta", "adapt-pool": "hyhel10_pool.csv",
}));
document.querySelector("details").addEventListener("toggle", async () => {
  byId("model").textContent = await get("/model").then((answer) => answer.text(), (error) => error.message);
});
byId("token")?.addEventListener("change", () => showLinked(choose));
window.addEventListener("hashchange", () => showLinked(choose));
showLinked(choose);
