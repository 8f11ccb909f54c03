// The map of /map: MapLibre GL over the vector tiles of this site. What it shows is in the address after the #.
"use strict";

const place = document.getElementById("atlas");
const problem = document.getElementById("atlas-problem");
const box = place.querySelector(".atlas");
const form = place.querySelector("form");
const finder = document.querySelector("form.box");
const panel = place.querySelector(".atlas-area");
const spoken = place.querySelector('[role="status"]');
const ask = panel.innerHTML;
const LAYERS = ["uk_latest", "uk_2011"];
const UK = [[-8.7, 49.8], [1.8, 60.9]];

const complain = (text) => { problem.textContent = `${text} The picture and the list have the same.`; problem.hidden = false; };

// The address: #at=zoom/latitude/longitude is MapLibre's; `layer`, `measure` and `area`, the one that is kept, are ours.
const parts = () => new Map(location.hash.slice(1).split("&").filter((part) => part.includes("=")).map((part) => part.split("=")));
const remember = (area) => {
  const own = parts();
  for (const [name, value, usual] of [
    ["layer", form.layer.value, place.dataset.layer], ["measure", form.measure.value, "imd"], ["area", area, ""],
  ]) {
    if (value === usual) own.delete(name); else own.set(name, value);
  }
  history.replaceState(history.state, "", `#${[...own].map((pair) => pair.join("=")).join("&")}`);
};
const recall = () => {
  const own = parts();
  const among = (value, all, usual) => (all.includes(value) ? value : usual);
  form.layer.value = among(own.get("layer"), LAYERS, place.dataset.layer);
  form.measure.value = among(own.get("measure"), [...form.measure.options].map((option) => option.value), "imd");
  return own.get("area") ?? "";
};

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const fill = () => [
  "match", ["get", `${form.measure.value}_decile`],
  ...Array.from({ length: 10 }, (_, i) => [i + 1, colour(`--d${i + 1}`)]).flat(),
  colour("--none"),
];
const number = (value) => value.toLocaleString("en-GB");
const element = (name, ...content) => { const made = document.createElement(name); made.append(...content); return made; };
const link = (address, text) => Object.assign(element("a", text), { href: address });
const seen = (name) => ({ visibility: name === form.layer.value ? "visible" : "none" });
const of = (code) => ["==", ["get", "code"], code];

const style = (tilejson) => ({
  version: 8,
  sources: Object.fromEntries(Object.entries(tilejson).map(([name, { tiles, minzoom, maxzoom, bounds }]) => [
    name, { type: "vector", tiles, minzoom, maxzoom, bounds },
  ])),
  layers: [
    { id: "ground", type: "background", paint: { "background-color": colour("--faint") } },
    ...LAYERS.map((name) => ({ id: name, type: "fill", source: name, "source-layer": name, layout: seen(name), paint: { "fill-color": fill(), "fill-antialias": false } })),
    ...LAYERS.map((name) => ({
      id: `${name}-edges`, type: "line", source: name, "source-layer": name, minzoom: 10, layout: seen(name),
      paint: { "line-color": "#8a97a6", "line-width": 0.6 },
    })),
    { id: "authorities", type: "fill", source: "local_authorities", "source-layer": "local_authorities", paint: { "fill-opacity": 0 } },
    ...[["halo", "#fff", 2.4], ["line", "#16202f", 1]].map(([id, ink, width]) => ({
      id: `authorities-${id}`, type: "line", source: "local_authorities", "source-layer": "local_authorities",
      paint: { "line-color": ink, "line-width": ["interpolate", ["linear"], ["zoom"], 4, width / 3, 9, width] },
    })),
    ...LAYERS.map((name) => ({
      id: `${name}-chosen`, type: "line", source: name, "source-layer": name, layout: seen(name), filter: of(""),
      paint: { "line-color": "#b3004b", "line-width": 4 },
    })),
  ],
});

const start = (tilejson) => {
  let kept = recall(); // the code of the area whose figures stay
  let outlined = "", byKeys = false, nearby = "";
  place.hidden = false;
  const map = new maplibregl.Map({
    container: box, style: style(tilejson), bounds: UK, fitBoundsOptions: { padding: 10 }, hash: "at", maxZoom: 16,
    dragRotate: false, pitchWithRotate: false, touchPitch: false, attributionControl: false, fadeDuration: 0,
    cooperativeGestures: matchMedia("(pointer: coarse)").matches, // one finger moves the page, two the map
    canvasContextAttributes: { preserveDrawingBuffer: true }, // for paper
    locale: { "Map.Title": "Map of small areas by decile" },
  });
  map.touchZoomRotate.disableRotation();
  map.keyboard.disableRotation();
  map.addControl(new maplibregl.NavigationControl({ showCompass: false }), "top-right");
  map.addControl(new maplibregl.ScaleControl(), "bottom-left");
  map.on("error", ({ error }) => complain(`Some of the map did not come (${String(error?.message).slice(0, 200)}): load the page again.`));

  const outline = (code) => {
    if (code === outlined) return;
    outlined = code;
    LAYERS.forEach((name) => map.setFilter(`${name}-chosen`, of(code)));
  };

  // What lies at a point of the map, and what is said of it.
  const at = (point) => {
    const [area] = map.queryRenderedFeatures(point, { layers: [form.layer.value] });
    const [authority] = map.queryRenderedFeatures(point, { layers: ["authorities"] });
    return area && { ...area.properties, authority: authority?.properties };
  };
  const words = (area) => {
    const measure = form.measure.value;
    const label = form.measure.selectedOptions[0].text;
    const decile = area[`${measure}_decile`];
    const index = tilejson[form.layer.value].indices.find((one) => one.nation === area.nation);
    const source = `${index.title}. 1 is the most deprived of ${area.nation}’s areas.`;
    if (decile === undefined) return { figures: `${label}: no figure in this index here`, source };
    const rank = measure === "imd" && area.imd_rank !== undefined ? `, rank ${number(area.imd_rank)} of ${number(area.of)}` : "";
    const basis = index[measure === "imd" ? "decile_basis" : "domain_decile_basis"];
    return { figures: `${label}: decile ${decile} of 10${rank}`, source: `${source} The decile is ${basis}.` };
  };
  const describe = (area, aloud) => {
    outline(area?.code ?? "");
    if (!area) {
      panel.innerHTML = ask;
      spoken.textContent = aloud ? "No area here." : "";
      return;
    }
    const { figures, source } = words(area);
    const name = area.area_name ?? area.code;
    const where = element("p", element("strong", link(place.dataset.area + area.code, name)), name === area.code ? "" : ` (${area.code})`);
    const authority = area.la_code ? area : area.authority;
    if (authority) where.append(", ", link(place.dataset.authority + authority.la_code, authority.la_name ?? authority.la_code));
    panel.replaceChildren(where, element("p", figures), element("p", source));
    panel.lastChild.className = "small";
    spoken.textContent = aloud ? `${name}${authority ? `, ${authority.la_name ?? authority.la_code}` : ""}. ${figures}.` : "";
  };
  const keep = (area) => {
    kept = area?.code ?? "";
    remember(kept);
    describe(area, true);
  };

  map.on("mousemove", (event) => {
    if (kept) return;
    byKeys = false;
    cross.setAttribute("hidden", "");
    const area = at(event.point);
    if ((area?.code ?? "") !== outlined) describe(area);
  });
  map.on("mouseout", () => { if (!kept && !byKeys) describe(null); });
  map.on("click", (event) => { const area = at(event.point); keep(area?.code === kept ? null : area); });

  // By keyboard the middle of the map is described, and marked with a cross.
  const cross = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  cross.setAttribute("class", "cross");
  cross.setAttribute("viewBox", "0 0 22 22");
  cross.setAttribute("aria-hidden", "true");
  cross.innerHTML = '<path d="M11 0v8M11 14v8M0 11h8M14 11h8"/>';
  cross.setAttribute("hidden", "");
  box.append(cross);
  const leave = () => { byKeys = false; nearby = ""; cross.setAttribute("hidden", ""); };
  const middle = () => {
    const area = at(map.project(map.getCenter()));
    const now = `${area?.code} ${form.layer.value} ${form.measure.value}`;
    if (!byKeys || now === nearby) return;
    nearby = now;
    kept = "";
    describe(area, true);
  };
  const canvas = map.getCanvas();
  canvas.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { leave(); keep(null); spoken.textContent = ""; return; }
    if (!/^(Arrow|[-+=_]$)/.test(event.key)) return;
    byKeys = true;
    cross.removeAttribute("hidden");
  });
  canvas.addEventListener("blur", leave);

  // An area that the address names is described once its tile is there: by its code, for no point decides which it is.
  const named = () => {
    if (!kept || outlined === kept) return;
    const [area] = map.querySourceFeatures(form.layer.value, { sourceLayer: form.layer.value, filter: of(kept) });
    if (area) describe(area.properties, true);
  };
  map.on("idle", () => { middle(); named(); });

  const changed = () => {
    const on = form.background.checked;
    if (on && !map.getSource("background")) {
      map.addSource("background", { type: "raster", tiles: [place.dataset.background], tileSize: 256, maxzoom: 19 });
      map.addLayer({ id: "background", type: "raster", source: "background" }, LAYERS[0]);
    }
    if (map.getLayer("background")) map.setLayoutProperty("background", "visibility", on ? "visible" : "none");
    document.getElementById("background-credit").hidden = !on;
    for (const name of LAYERS) {
      for (const id of [name, `${name}-edges`, `${name}-chosen`]) map.setLayoutProperty(id, "visibility", seen(name).visibility);
      map.setPaintProperty(name, "fill-color", fill());
      map.setPaintProperty(name, "fill-opacity", on ? 0.75 : 1);
    }
    map.setPaintProperty("ground", "background-color", colour("--faint"));
    for (const name of ["layer", "measure"]) finder.elements[name].value = form[name].value; // the box keeps them
    nearby = "";
    describe(null); // the figures of another edition; those of a selected area are described again
  };
  form.addEventListener("change", () => { remember(kept); changed(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", () => { kept = recall(); changed(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
  map.on("load", () => {
    changed();
    place.dataset.drawn = "yes"; // for the tests
  });
};

const read = async (name) => {
  const answer = await fetch(`${place.dataset.tiles}${name}.json`);
  if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
  return [name, await answer.json()];
};

// Without WebGL, mostly, or without an answer: the picture and the list are there.
Promise.all([...LAYERS, "local_authorities"].map(read)).then((all) => start(Object.fromEntries(all))).catch((error) => {
  place.hidden = true;
  complain(`The map cannot be drawn in this browser (${error.message.slice(0, 200)}).`);
});
