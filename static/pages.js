// What our own pages do beyond links and forms: the box suggests, code can be copied, a map comes when it is asked for.
// Without this file every page still has its figures and its forms.
"use strict";

// The box: the combobox pattern of the ARIA Authoring Practices Guide, with a list that the arrows walk.
const suggest = (form) => {
  const input = form.querySelector("input[name=q]");
  const list = document.createElement("ul");
  const told = document.createElement("p");
  list.id = "q-list";
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Suggestions");
  list.hidden = true;
  told.className = "unseen";
  told.setAttribute("role", "status");
  input.parentNode.append(list, told);
  const combobox = { role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": list.id };
  for (const [name, value] of Object.entries(combobox)) input.setAttribute(name, value);
  let at = -1, timer, asked;

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
    told.textContent = hits.length ? `${hits.length} suggestions; use the arrow keys.` : "No suggestions.";
  };
  const ask = async () => {
    const text = input.value.trim();
    asked = text;
    if (text.length < 2) { told.textContent = ""; return close(); }
    try {
      const answer = await fetch(`${form.dataset.suggest}?q=${encodeURIComponent(text)}`);
      if (answer.ok && asked === text && document.activeElement === input) show(await answer.json());
    } catch { close(); } // the form works without
  };

  input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(ask, 120); });
  input.addEventListener("keydown", (event) => {
    const n = options().length;
    if (event.key === "Escape" && !list.hidden) { event.preventDefault(); return close(); }
    if (event.key === "Enter" && at >= 0 && !list.hidden) {
      event.preventDefault();
      location.assign(options()[at].dataset.address);
    }
    if (!["ArrowDown", "ArrowUp"].includes(event.key)) return;
    event.preventDefault();
    if (list.hidden) { if (n) { list.hidden = false; input.setAttribute("aria-expanded", "true"); } else ask(); return; }
    mark(event.key === "ArrowDown" ? (at + 1) % n : (at <= 0 ? n : at) - 1);
  });
  input.addEventListener("blur", () => setTimeout(close, 150)); // a click on the list comes first
  list.addEventListener("pointerdown", (event) => {
    const option = event.target.closest("li");
    if (option) { event.preventDefault(); location.assign(option.dataset.address); }
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

// A map: circles of deciles from this site, a background from OpenStreetMap; both only once the button is used.
const mapped = (place) => {
  const ask = place.querySelector(".map-ask");
  const told = place.querySelector(".map-told");
  const box = place.querySelector(".map");
  ask.hidden = false;
  const fetched = (kind, make) => new Promise((resolve, reject) => {
    const part = document.createElement(kind);
    make(part);
    part.onload = resolve;
    part.onerror = () => reject(new Error("the map’s program did not come"));
    document.head.append(part);
  });
  const draw = async () => {
    const style = fetched("link", (link) => { link.rel = "stylesheet"; link.href = place.dataset.leafletCss; });
    const [, , answer] = await Promise.all([
      style, fetched("script", (script) => { script.src = place.dataset.leaflet; }), fetch(place.dataset.areas),
    ]);
    const found = await answer.json();
    if (!answer.ok) throw new Error(found.error);
    const areas = found.areas.filter((area) => area.latitude !== null);
    if (!areas.length) throw new Error("no position is known of these areas");
    box.hidden = false;
    const map = L.map(box, { preferCanvas: true, scrollWheelZoom: false });
    const tiles = L.tileLayer(place.dataset.tiles, JSON.parse(place.dataset.tilesOptions));
    tiles.once("tileerror", () => { told.textContent += " The background did not come; the areas stand without it."; });
    tiles.addTo(map);
    const colours = getComputedStyle(document.documentElement);
    const text = (value) => { const span = document.createElement("span"); span.textContent = value; return span.innerHTML; };
    for (const area of areas) {
      const colour = colours.getPropertyValue(`--d${area.decile}`).trim();
      L.circleMarker([area.latitude, area.longitude], { radius: 9, color: "#111", weight: 1, fillColor: colour, fillOpacity: 0.9 })
        .bindPopup(`<a href="${place.dataset.area}${encodeURIComponent(area.code)}">${text(area.name || area.code)}</a><br>decile ${area.decile}, rank ${area.rank.toLocaleString("en-GB")} of ${area.of.toLocaleString("en-GB")}`)
        .addTo(map);
    }
    if (place.dataset.latitude) {
      const here = [Number(place.dataset.latitude), Number(place.dataset.longitude)];
      L.circleMarker(here, { radius: 16, color: "#b3004b", weight: 4, fill: false }).addTo(map).bindTooltip(text(place.dataset.label), { permanent: true, direction: "top", offset: [0, -14] });
      map.setView(here, 14);
    } else {
      map.fitBounds(areas.map((area) => [area.latitude, area.longitude]), { padding: [20, 20] });
    }
    told.textContent = `${areas.length} areas at the mean position of their postcodes, ${found.title}: the darker, the more deprived.`;
    const legend = L.control({ position: "bottomleft" });
    legend.onAdd = () => {
      const element = L.DomUtil.create("div", "legend");
      element.innerHTML = `1 ${[...Array(10)].map((_, i) => `<i class="d${i + 1}"></i>`).join("")} 10`;
      return element;
    };
    legend.addTo(map);
  };
  ask.querySelector("button").addEventListener("click", () => {
    ask.hidden = true;
    told.textContent = "The map is on its way.";
    draw().catch((error) => { told.textContent = `There is no map: ${error.message}.`; ask.hidden = false; box.hidden = true; });
  });
};

document.querySelectorAll("form.box").forEach(suggest);
document.querySelectorAll("details.code pre").forEach(copyable);
document.querySelectorAll(".map-place").forEach(mapped);
