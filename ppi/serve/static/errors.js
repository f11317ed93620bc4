// Shows what is wrong with a form, beside it.

const shownFor = (form) => document.getElementById(`${form.id}-error`);

export function clear(form) {
  shownFor(form).hidden = true;
  shownFor(form).textContent = "";
  for (const field of form.querySelectorAll("textarea")) field.removeAttribute("aria-invalid");
}

export function fail(form, message) {
  shownFor(form).textContent = message;
  shownFor(form).hidden = false;
  for (const field of form.querySelectorAll("textarea")) field.setAttribute("aria-invalid", "true");
}
