// The map of /map: MapLibre GL over the vector tiles of this site. What it shows is in the address after the #.
"use strict";

const place = document.getElementById("atlas");
const box = place.querySelector(".atlas");
const form = place.querySelector("form");
const told = place.querySelector(".atlas-area");
const spoken = place.querySelector('[role="status"]');
const ask = told.innerHTML;
const LAYERS = ["uk_latest", "uk_2011"];
const NAMED_FROM = 8; // below this zoom tiles carry no names and ranks
const UK = [[-8.7, 49.8], [1.8, 60.9]];

// The address: #at=zoom/latitude/longitude is MapLibre's, `layer` and `measure` are ours.
const parts = () => new Map(location.hash.slice(1).split("&").filter(Boolean).map((part) => part.split("=")));
const remember = () => {
  const own = parts();
  for (const [name, value, usual] of [["layer", form.layer.value, "uk_latest"], ["measure", form.measure.value, "imd"]]) {
    if (value === usual) own.delete(name); else own.set(name, value);
  }
  history.replaceState(history.state, "", `#${[...own].map((pair) => pair.join("=")).join("&")}`);
};
const recall = () => {
  const own = parts();
  if (LAYERS.includes(own.get("layer"))) form.layer.value = own.get("layer");
  if ([...form.measure.options].some((option) => option.value === own.get("measure"))) form.measure.value = own.get("measure");
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

const style = () => ({
  version: 8,
  sources: Object.fromEntries([...LAYERS, "local_authorities"].map((name) => [
    name, { type: "vector", url: new URL(`${place.dataset.tiles}${name}.json`, location).href },
  ])),
  layers: [
    { id: "ground", type: "background", paint: { "background-color": colour("--faint") } },
    ...LAYERS.map((name) => ({ id: name, type: "fill", source: name, "source-layer": name, paint: { "fill-color": fill(), "fill-antialias": false } })),
    ...LAYERS.map((name) => ({
      id: `${name}-edges`, type: "line", source: name, "source-layer": name, minzoom: 10,
      paint: { "line-color": "#8a97a6", "line-width": 0.6 },
    })),
    { id: "authorities", type: "fill", source: "local_authorities", "source-layer": "local_authorities", paint: { "fill-opacity": 0 } },
    ...[["halo", "#fff", 2.4], ["line", "#16202f", 1]].map(([id, ink, width]) => ({
      id: `authorities-${id}`, type: "line", source: "local_authorities", "source-layer": "local_authorities",
      paint: { "line-color": ink, "line-width": ["interpolate", ["linear"], ["zoom"], 4, width / 3, 9, width] },
    })),
    ...LAYERS.map((name) => ({
      id: `${name}-chosen`, type: "line", source: name, "source-layer": name, filter: ["==", ["get", "code"], ""],
      paint: { "line-color": "#b3004b", "line-width": 4 },
    })),
  ],
});

const start = () => {
  recall();
  place.hidden = false;
  const map = new maplibregl.Map({
    container: box, style: style(), bounds: UK, fitBoundsOptions: { padding: 10 }, hash: "at", maxZoom: 16,
    dragRotate: false, pitchWithRotate: false, touchPitch: false, attributionControl: false, fadeDuration: 0,
    canvasContextAttributes: { preserveDrawingBuffer: true }, // for paper
    locale: { "Map.Title": "Map of small areas by decile" },
  });
  map.touchZoomRotate.disableRotation();
  map.keyboard.disableRotation();
  map.addControl(new maplibregl.NavigationControl({ showCompass: false }), "top-right");
  map.addControl(new maplibregl.ScaleControl(), "bottom-left");
  const indices = {};
  let kept = null, byKeys = false;

  const show = () => {
    for (const name of LAYERS) {
      const visibility = name === form.layer.value ? "visible" : "none";
      for (const id of [name, `${name}-edges`, `${name}-chosen`]) map.setLayoutProperty(id, "visibility", visibility);
      map.setPaintProperty(name, "fill-color", fill());
      map.setPaintProperty(name, "fill-opacity", form.background.checked ? 0.75 : 1);
    }
    map.setPaintProperty("ground", "background-color", colour("--faint"));
  };
  const outline = (code) => LAYERS.forEach((name) => map.setFilter(`${name}-chosen`, ["==", ["get", "code"], code]));

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
    const figures = decile === undefined ? `${label}: no figure in this nation’s index` : `${label}: decile ${decile} of 10${decile === 1 ? ", the most deprived" : ""}`;
    const rank = measure === "imd" && area.imd_rank !== undefined ? `, rank ${number(area.imd_rank)} of ${number(area.of)}` : "";
    const index = (indices[form.layer.value] ?? []).find((one) => one.nation === area.nation);
    return { figures: `${figures}${rank}`, source: `${index ? index.title : area.imd_year}. 1 is the most deprived of ${area.nation}’s areas.` };
  };
  const tell = (area, aloud) => {
    if (!area) {
      told.innerHTML = ask;
      if (aloud) spoken.textContent = "No area here.";
      return;
    }
    const { figures, source } = words(area);
    const name = area.area_name ?? area.code;
    const of = element("p", element("strong", link(place.dataset.area + area.code, name)), name === area.code ? "" : ` (${area.code})`);
    const la = area.la_code ? [area.la_code, area.la_name] : area.authority && [area.authority.la_code, area.authority.la_name];
    if (la) of.append(", ", link(place.dataset.authority + la[0], la[1] ?? la[0]));
    told.replaceChildren(of, element("p", figures), element("p", source));
    told.lastChild.className = "small";
    if (aloud) spoken.textContent = `${name}${la ? `, ${la[1] ?? la[0]}` : ""}. ${figures}.`;
  };

  map.on("mousemove", (event) => { if (!kept) { byKeys = false; const area = at(event.point); tell(area); outline(area?.code ?? ""); } });
  map.on("mouseout", () => { if (!kept && !byKeys) { tell(null); outline(""); } });
  map.on("click", (event) => {
    const area = at(event.point);
    kept = area && area.code !== kept ? area.code : null;
    tell(area, true);
    outline(kept ?? "");
  });

  // By keyboard the middle of the map is told, and marked with a cross.
  const cross = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  cross.setAttribute("class", "cross");
  cross.setAttribute("viewBox", "0 0 22 22");
  cross.setAttribute("aria-hidden", "true");
  cross.innerHTML = '<path d="M11 0v8M11 14v8M0 11h8M14 11h8"/>';
  cross.setAttribute("hidden", "");
  box.append(cross);
  const middle = () => { if (byKeys) { const area = at(map.project(map.getCenter())); kept = null; tell(area, true); outline(area?.code ?? ""); } };
  const canvas = map.getCanvas();
  canvas.addEventListener("keydown", (event) => { if (event.key !== "Tab") { byKeys = true; cross.removeAttribute("hidden"); } });
  canvas.addEventListener("keyup", (event) => { if (event.key === "Escape") { kept = null; tell(null); outline(""); } });
  canvas.addEventListener("blur", () => { byKeys = false; cross.setAttribute("hidden", ""); });
  map.on("idle", middle);

  const background = (on) => {
    if (on && !map.getSource("background")) {
      map.addSource("background", { type: "raster", tiles: [place.dataset.background], tileSize: 256, maxzoom: 19 });
      map.addLayer({ id: "background", type: "raster", source: "background" }, LAYERS[0]);
    }
    document.getElementById("background-credit").hidden = !on;
    if (map.getLayer("background")) map.setLayoutProperty("background", "visibility", on ? "visible" : "none");
  };
  form.addEventListener("change", () => {
    background(form.background.checked);
    show();
    remember();
    kept = null;
    tell(null);
    outline("");
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", () => { recall(); show(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);

  map.on("load", () => {
    show();
    place.dataset.drawn = "yes"; // for the tests
  });
  for (const name of LAYERS) {
    fetch(`${place.dataset.tiles}${name}.json`).then((answer) => answer.json()).then((tiles) => { indices[name] = tiles.indices; });
  }
};

try {
  start();
} catch (error) {
  // No WebGL, mostly: the picture and the list are there.
  place.hidden = true;
  const problem = document.getElementById("atlas-problem");
  problem.textContent = `The map cannot be drawn in this browser (${error.message.slice(0, 200)}). The picture and the list have the same.`;
  problem.hidden = false;
}
