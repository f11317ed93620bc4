// Tabs and fields of the page: keyboard, files, examples.

import { clear, fail } from "./errors.js";

export const byId = (id) => document.getElementById(id);

// Returns a function that shows the panel of a tab.
export function setUpTabs() {
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
  return (kind) => choose(byId(`tab-${kind}`));
}

export function setUpFields() {
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
    input.addEventListener("change", () => {
      if (input.files[0]) readInto(byId(input.dataset.file), input.files[0]);
      input.value = ""; // the same file can be chosen again after it has changed
    });
  }
  for (const select of document.querySelectorAll("[data-example]")) {
    select.addEventListener("change", () => select.value && fill({ [select.dataset.example]: select.value }));
  }
}

// Puts examples into fields, by the id of the field.
export async function fill(examples) {
  for (const [field, name] of Object.entries(examples)) {
    byId(field).value = await (await fetch(`/static/examples/${name}`)).text();
  }
}

async function readInto(field, file) {
  if (file.size > Number(document.body.dataset.maxBody)) {
    fail(field.form, `${file.name} is too large for this page; use the command line.`);
    return;
  }
  field.value = await file.text();
  clear(field.form);
}
