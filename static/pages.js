// What our own pages do beyond links and forms: the box suggests, code can be copied, a map is loaded when it is wanted.
// Without this file every page still has its figures and its forms.
"use strict";

// The box: the combobox pattern of the ARIA Authoring Practices Guide, with a list that the arrows walk.
const suggest = (form) => {
  const input = form.querySelector("input[name=q]");
  const list = document.createElement("ul");
  const status = document.createElement("p");
  list.id = "q-list";
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Suggestions");
  list.hidden = true;
  status.className = "unseen";
  status.setAttribute("role", "status");
  input.parentNode.append(list, status);
  const combobox = { role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": list.id };
  for (const [name, value] of Object.entries(combobox)) input.setAttribute(name, value);
  let at = -1, timer, latest;

  // On the map a suggestion leads to its place on it: /map?q= knows a postcode and a code. A list of them has no place.
  const go = (address) => {
    if (!form.dataset.map || address.includes("?")) return location.assign(address);
    const params = new URLSearchParams(new FormData(form));
    params.set("q", address.split("/").pop());
    return location.assign(`${form.dataset.map}?${params}`);
  };
  const options = () => [...list.children];
  const close = () => {
    list.hidden = true;
    at = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const mark = (n) => {
    at = n;
    options().forEach((option, i) => option.setAttribute("aria-selected", String(i === at)));
    if (at < 0) return input.removeAttribute("aria-activedescendant");
    input.setAttribute("aria-activedescendant", options()[at].id);
    options()[at].scrollIntoView({ block: "nearest" });
  };
  const show = (hits) => {
    list.replaceChildren(...hits.map((hit, i) => {
      const option = document.createElement("li");
      const kind = document.createElement("span");
      option.id = `q-option-${i}`;
      option.setAttribute("role", "option");
      option.setAttribute("aria-selected", "false");
      option.dataset.address = hit.address;
      kind.textContent = hit.kind;
      option.append(`${hit.name} `, kind);
      return option;
    }));
    at = -1;
    input.removeAttribute("aria-activedescendant");
    list.hidden = hits.length === 0;
    input.setAttribute("aria-expanded", String(hits.length > 0));
    status.textContent = hits.length ? `${hits.length} suggestions; use the arrow keys.` : "No suggestions.";
  };
  const ask = async () => {
    const text = input.value.trim();
    latest = text;
    if (text.length < 2) { status.textContent = ""; return close(); }
    try {
      const answer = await fetch(`${form.dataset.suggest}?q=${encodeURIComponent(text)}`);
      if (answer.ok && latest === text && document.activeElement === input) show(await answer.json());
    } catch { close(); } // the form works without
  };

  input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(ask, 120); });
  input.addEventListener("keydown", (event) => {
    const n = options().length;
    if (event.key === "Escape" && !list.hidden) { event.preventDefault(); return close(); }
    if (event.key === "Enter" && at >= 0 && !list.hidden) {
      event.preventDefault();
      go(options()[at].dataset.address);
    }
    if (!["ArrowDown", "ArrowUp"].includes(event.key)) return;
    event.preventDefault();
    if (list.hidden) { if (n) { list.hidden = false; input.setAttribute("aria-expanded", "true"); } else ask(); return; }
    mark(event.key === "ArrowDown" ? (at + 1) % n : (at <= 0 ? n : at) - 1);
  });
  input.addEventListener("blur", () => setTimeout(close, 150)); // a click on the list comes first
  list.addEventListener("pointerdown", (event) => {
    const option = event.target.closest("li");
    if (option) { event.preventDefault(); go(option.dataset.address); }
  });
};

const copyable = (pre) => {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "plain copy";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    try { await navigator.clipboard.writeText(pre.textContent); button.textContent = "Copied"; }
    catch { getSelection().selectAllChildren(pre); button.textContent = "Selected: copy it"; }
  });
  pre.after(button);
};

// A map: its program comes once the button is used, and with it circles from this site, tiles from OpenStreetMap.
const mapped = (place) => {
  const ask = place.querySelector(".map-ask");
  ask.hidden = false;
  ask.querySelector("button").addEventListener("click", async () => (await import(place.dataset.program)).show(place));
};

document.querySelectorAll("form.box").forEach(suggest);
document.querySelectorAll("details.code pre").forEach(copyable);
document.querySelectorAll(".map-place").forEach(mapped);
