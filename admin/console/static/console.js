// What pages do beyond links and forms. Every page works without it.
"use strict";

const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

function enhance(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const date = new Date(time.dateTime);
    time.textContent = MOMENT.format(date);
    time.title = `${date.toString()} (${time.dateTime})`;
  }
  for (const button of root.querySelectorAll("[data-copy]")) button.hidden = false;
  for (const select of root.querySelectorAll("[data-shows-date]")) showDate(select);
}

function showDate(select) {
  document.getElementById("date").hidden = select.value !== "date";
}

function showSeveral(section) {
  const marked = section.querySelectorAll("input[name=key]:checked").length;
  const bar = section.querySelector("[data-several]");
  bar.hidden = marked === 0;
  bar.querySelector("[data-count]").textContent = `${marked} marked`;
}

document.addEventListener("click", async (event) => {
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    await navigator.clipboard.writeText(copy.dataset.copy);
    copy.textContent = "Copied";
    copy.closest("[data-once]")?.setAttribute("data-copied", "");
    setTimeout(() => { copy.textContent = "Copy"; }, 2000);
  }
  const question = event.target.closest("[data-confirm]")?.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("change", (event) => {
  const field = event.target;
  if (field.matches("[data-submit]")) field.form.submit();
  if (field.matches("[data-shows-date]")) showDate(field);
  const section = field.closest("section");
  if (field.matches("[data-all]")) {
    for (const box of section.querySelectorAll("input[name=key]")) box.checked = field.checked;
  }
  if (field.matches("[data-all], input[name=key]")) showSeveral(section);
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
    const search = document.querySelector("[data-search]");
    if (search) {
      event.preventDefault();
      search.focus();
    }
  }
});

// A menu in a table that scrolls would be cut off: it is placed beside its button instead.
document.addEventListener("toggle", (event) => {
  const menu = event.target;
  if (!menu.open || !menu.matches?.(".scroll .menu")) return;
  const place = menu.getBoundingClientRect();
  const panel = menu.querySelector(".panel");
  const below = place.bottom + panel.offsetHeight < window.innerHeight;
  panel.style.setProperty("top", `${below ? place.bottom : place.top - panel.offsetHeight}px`);
  panel.style.setProperty("left", `${Math.max(8, place.right - panel.offsetWidth)}px`);
}, true);

// A secret that nobody has copied is not lost to a wrong click.
window.addEventListener("beforeunload", (event) => {
  const once = document.querySelector("[data-once]");
  if (once && !once.hasAttribute("data-copied")) event.preventDefault();
});

document.addEventListener("htmx:afterSwap", (event) => enhance(event.target));
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
