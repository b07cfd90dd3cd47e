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
  const count = section.querySelectorAll("input[name=key]:checked").length;
  section.querySelector("[data-count]").textContent = `${count} selected`;
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

async function copy(button) {
  const text = button.dataset.copy;
  const done = navigator.clipboard
    ? await navigator.clipboard.writeText(text).then(() => true, () => copyOld(text))
    : copyOld(text);
  button.focus();
  if (!done) return;
  button.dataset.done = "";
  setTimeout(() => delete button.dataset.done, 1500);
  if ("secret" in button.dataset) button.closest("[data-once]")?.setAttribute("data-copied", "");
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("change", (event) => {
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

// A table that was searched: say how much was found. One that could not be: load the page, which says why.
document.addEventListener("htmx:afterSwap", (event) => {
  enhance(event.target.parentElement ?? document);
  const found = event.detail.elt.closest("section")?.querySelector("[data-summary]");
  if (found) found.closest("section").querySelector("[role=status]").textContent = found.dataset.summary;
});
document.addEventListener("htmx:responseError", () => location.reload());
enhance(document);

// The API browser: a form is sent as JSON, with the method that it names.
document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.dataset.api) return;
  event.preventDefault();
  const body = {};
  for (const [name, value] of new FormData(form)) {
    if (name !== "csrf" && value !== "") body[name] = ["true", "false"].includes(value) ? value === "true" : value;
  }
  const answer = await fetch(`${new URL(form.action).pathname}${new URL(form.action).search}`, {
    method: form.dataset.api,
    headers: { "X-CSRF-Token": form.elements.csrf.value, Accept: "application/json" },
    body: JSON.stringify(body),
  });
  const shown = document.createElement("pre");
  shown.className = "card";
  shown.textContent = `${answer.status} ${answer.statusText}\n${JSON.stringify(await answer.json(), null, 2)}`;
  document.querySelector("[data-answer]").replaceChildren(shown);
});
