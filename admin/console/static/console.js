// What pages do beyond links and forms. Every page works without it.
"use strict";

document.documentElement.classList.add("scripted");

// Times in the reader's zone. Their text has as many characters as the server's, so that nothing moves.
const two = (number) => String(number).padStart(2, "0");
const hour = (date) => `${two(date.getHours())}:${two(date.getMinutes())}`;
const moment = (date) => `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${hour(date)}`;
const EXACT = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

function enhance(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const date = new Date(time.dateTime);
    if (/^\d{4}-/.test(time.textContent)) time.textContent = moment(date);
    time.title = `${EXACT.format(date)} (${time.dateTime})`;
  }
  for (const label of root.querySelectorAll("text[data-time]")) label.textContent = hour(new Date(label.dataset.time));
  for (const title of root.querySelectorAll("title[data-time]")) {
    title.textContent = title.textContent.replace(/^.* UTC/, moment(new Date(title.dataset.time)));
  }
}

function showSelected(section) {
  const selected = [...section.querySelectorAll("input[name=key]:checked")];
  section.querySelector("[data-count]").textContent = `${selected.length} selected`;
  const allowed = new Set(selected.flatMap((box) => box.dataset.actions.split(" ")));
  for (const button of section.querySelectorAll(".several button")) button.hidden = !allowed.has(button.value);
}

// Pages that came by plain HTTP have no clipboard but this old one.
function copyOld(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "unseen";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

// Tells screen readers what has happened.
const said = document.createElement("p");
said.className = "unseen";
said.setAttribute("role", "status");
document.body.append(said);

async function copy(button) {
  const text = button.dataset.copy;
  const done = navigator.clipboard
    ? await navigator.clipboard.writeText(text).then(() => true, () => copyOld(text))
    : copyOld(text);
  button.focus();
  if (!done) return;
  button.dataset.done = "";
  said.textContent = button.getAttribute("aria-label").replace("Copy", "Copied");
  setTimeout(() => {
    delete button.dataset.done;
    said.textContent = "";
  }, 1500);
  if ("secret" in button.dataset) button.closest("[data-once]")?.setAttribute("data-copied", "");
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

// A new key has no stronger role than its owner allows.
function showRoles(owner) {
  const strongest = owner.selectedOptions[0]?.dataset.role;
  const roles = [...document.querySelectorAll("input[name=role]")];
  const first = roles.findIndex((role) => role.value === strongest);
  roles.forEach((role, place) => { role.disabled = place < first; });
  const kept = roles.find((role) => role.checked && !role.disabled);
  if (!kept && roles[first]) roles[first].checked = true;
}
const owner = document.querySelector("select[name=accountId]");
if (owner) showRoles(owner);

document.addEventListener("change", (event) => {
  if (event.target.matches("select[name=accountId]")) showRoles(event.target);
  const field = event.target;
  const section = field.closest("section");
  if (field.matches("[data-all]")) {
    for (const box of section.querySelectorAll("input[name=key]")) box.checked = field.checked;
  }
  if (field.matches("[data-all], input[name=key]")) showSelected(section);
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    const menu = document.querySelector("details.menu[open]");
    if (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  }
  if (event.key === "/" && !event.target.matches("input, textarea, select")) {
    const search = [...document.querySelectorAll("[data-search]")].find((each) => each.checkVisibility());
    if (search) {
      event.preventDefault();
      search.focus();
    }
  }
});

// A secret that nobody has copied is not lost to a wrong click.
window.addEventListener("beforeunload", (event) => {
  const once = document.querySelector("[data-once]");
  if (once && !once.hasAttribute("data-copied")) event.preventDefault();
});

// Nor does the page's history show it again: a page that a browser keeps whole for its back button is emptied.
window.addEventListener("pagehide", () => {
  if (document.querySelector("[data-once]")) document.querySelector("main").replaceChildren();
});
window.addEventListener("pageshow", (event) => {
  if (event.persisted && document.querySelector("main:empty")) location.replace("/keys");
});

// A table that was searched: say how much was found. One that could not be: load the page, which says why.
document.addEventListener("htmx:afterSwap", (event) => {
  enhance(event.target.parentElement ?? document);
  const found = event.detail.elt.closest("section")?.querySelector("[data-summary]");
  if (found) found.closest("section").querySelector("[role=status]").textContent = found.dataset.summary;
});
document.addEventListener("htmx:responseError", (event) => {
  if (!event.detail.elt.matches("[list]")) location.reload(); // names that are missing lose nothing that was typed
});
enhance(document);

// The API browser: below a form stands what is filled in, as a request. What was left as it was is
// left out, and what was emptied is null, as the server reads the form too.
function showRequest(form) {
  const body = {};
  for (const field of form.querySelectorAll("[data-type]")) {
    const { type, nullable, required } = field.dataset;
    const [text, was] = [field, form.elements[`was.${field.name}`]].map((each) => each?.value.trim() ?? "");
    const changes = "was" in form.dataset;
    if (text === was && (changes || required === undefined)) continue;
    const nothing = nullable === undefined || !changes ? "" : null;
    body[field.name] = type === "boolean" && text ? text === "true" : text || nothing;
  }
  const data = JSON.stringify(body).replaceAll("'", "'\"'\"'");
  const line = form.dataset.curl + (data === "{}" ? "" : ` -d '${data}'`);
  const shown = form.querySelector(".curl");
  shown.querySelector("code").textContent = line;
  shown.querySelector("[data-copy]").dataset.copy = line;
}

document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-operation]");
  if (form) showRequest(form);
});

// The answer to a form takes the place of the page, an error that of the form. Where the session has
// ended the form is sent as without the script: it comes back after the login, as it was filled in.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { elt } = event.detail.requestConfig;
  const { status } = event.detail.xhr;
  if (elt.matches("[data-errors]") && status === 422) {
    event.detail.shouldSwap = true;
    event.detail.isError = false;
  }
  if (!elt.matches("form[data-operation]")) return;
  event.detail.isError = false;
  event.detail.shouldSwap = status < 300 || event.detail.xhr.getResponseHeader("HX-Retarget") !== null;
  if (event.detail.shouldSwap) return;
  if (status === 401 || status === 403) elt.submit();
  else failed(elt, `The server answered ${status}. Try again.`);
});
document.addEventListener("htmx:sendError", (event) => {
  if (event.target.matches("form[data-operation]")) failed(event.target, "The server does not answer. Try again.");
});

// The address of a list holds what was chosen, and nothing else.
document.addEventListener("htmx:configRequest", (event) => {
  const { verb, formData } = event.detail;
  if (verb !== "get") return;
  for (const [name, value] of [...formData]) if (value === "") formData.delete(name);
});

function failed(form, text) {
  const shown = form.querySelector("[data-failed]");
  shown.textContent = text;
  shown.hidden = false;
}

function openTarget() {
  const target = location.hash.startsWith("#action-") && document.getElementById(location.hash.slice(1));
  if (target) target.closest("details").open = true;
}
window.addEventListener("hashchange", openTarget);
openTarget();
