// The page: tabs, input and what happens on submit.

import { get, post, save } from "./client.js";
import { element } from "./elements.js";
import { runJob } from "./jobs.js";
import { cards } from "./predictions.js";

const byId = (id) => document.getElementById(id);
const SCREEN_COLUMNS = ["ligand", "receptor", "rank", "pkd", "pkd_lower", "pkd_upper", "kd_molar", "overlapping",
  "novelty", "nearest_complex", "nearest_pkd", "warnings"];

function setUpTabs() {
  const tabs = [...document.querySelectorAll('[role="tab"]')];
  const choose = (chosen) => {
    for (const tab of tabs) {
      const selected = tab === chosen;
      tab.setAttribute("aria-selected", String(selected));
      tab.tabIndex = selected ? 0 : -1;
      byId(tab.getAttribute("aria-controls")).hidden = !selected;
    }
  };
  tabs.forEach((tab, number) => {
    tab.addEventListener("click", () => choose(tab));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = tabs[(number + step + tabs.length) % tabs.length];
      choose(next);
      next.focus();
    });
  });
}

async function readInto(field, file) {
  const form = field.form;
  if (file.size > Number(document.body.dataset.maxBody)) {
    fail(form, `${file.name} is too large for this page; use the command line.`);
    return;
  }
  field.value = await file.text();
  clear(form);
}

function setUpFields() {
  for (const field of document.querySelectorAll("textarea")) {
    field.addEventListener("dragover", (event) => { event.preventDefault(); field.classList.add("over"); });
    field.addEventListener("dragleave", () => field.classList.remove("over"));
    field.addEventListener("drop", (event) => {
      field.classList.remove("over");
      const file = event.dataTransfer.files[0];
      if (!file) return;
      event.preventDefault();
      readInto(field, file);
    });
  }
  for (const input of document.querySelectorAll("[data-file]")) {
    input.addEventListener("change", () => input.files[0] && readInto(byId(input.dataset.file), input.files[0]));
  }
  for (const select of document.querySelectorAll("[data-example]")) {
    select.addEventListener("change", async () => {
      if (select.value) byId(select.dataset.example).value = await example(select.value);
    });
  }
  byId("screen-example").addEventListener("click", async () => {
    byId("screen-ligands").value = await example("peptides.fasta");
    byId("screen-receptors").value = await example("proteins.fasta");
  });
}

const example = async (name) => (await fetch(`/static/examples/${name}`)).text();

function clear(form) {
  const shown = byId(`${form.id}-error`);
  shown.hidden = true;
  shown.textContent = "";
  for (const field of form.querySelectorAll("textarea")) field.removeAttribute("aria-invalid");
}

function fail(form, message) {
  const shown = byId(`${form.id}-error`);
  shown.textContent = message;
  shown.hidden = false;
  for (const field of form.querySelectorAll("textarea")) field.setAttribute("aria-invalid", "true");
}

function onSubmit(id, work) {
  const form = byId(id);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector('[type="submit"]');
    const target = byId(`${id}-result`);
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
  });
}

async function predict(target) {
  const body = { text: byId("predict-text").value };
  const { predictions } = await (await post("/predict", body)).json();
  const csv = element("button", {
    type: "button",
    onclick: async () => save(await (await post("/predict", body, "text/csv")).blob(), "predictions.csv"),
  }, "Download CSV");
  target.replaceChildren(element("p", { class: "row" }, csv), ...cards(predictions));
}

setUpTabs();
setUpFields();
onSubmit("predict", predict);
onSubmit("scan", (target) => runJob("scan", {
  text: byId("scan-text").value,
  sites: byId("scan-sites").value.split(/[\s,]+/).filter(Boolean),
  alanine: byId("scan-alanine").checked,
}, target));
onSubmit("explain", (target) => runJob("explain", { text: byId("explain-text").value }, target));
onSubmit("screen", (target) => runJob("screen", {
  ligands: { text: byId("screen-ligands").value },
  receptors: { text: byId("screen-receptors").value },
  per: byId("screen-per").value,
}, target, SCREEN_COLUMNS));
document.querySelector("details").addEventListener("toggle", async () => {
  byId("model").textContent = await get("/model").then((answer) => answer.text(), (error) => error.message);
});
