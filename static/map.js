// A map of areas: circles of deciles from this site, a background from OpenStreetMap. Loaded when the reader asks for it.

const styled = (address) => new Promise((resolve, reject) => {
  const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href: address });
  link.onload = resolve;
  link.onerror = () => reject(new Error("its style did not come"));
  document.head.append(link);
});

const text = (value) => {
  const span = document.createElement("span");
  span.textContent = value;
  return span.innerHTML;
};

const draw = async (place, box, status) => {
  const [L, answer] = await Promise.all([import(place.dataset.leaflet), fetch(place.dataset.areas), styled(place.dataset.leafletCss)]);
  const data = await answer.json();
  if (!answer.ok) throw new Error(data.error);
  const areas = data.areas.filter((area) => area.latitude !== null);
  if (!areas.length) throw new Error("no position is known of these areas");
  box.hidden = false;
  const map = L.map(box, { preferCanvas: true, scrollWheelZoom: false });
  const tiles = L.tileLayer(place.dataset.tiles, JSON.parse(place.dataset.tilesOptions));
  status.textContent = `${areas.length} areas at the mean position of their postcodes, ${data.title}: the darker, the more deprived.`;
  tiles.once("tileerror", () => { status.textContent += " The background did not come; the areas stand without it."; });
  tiles.addTo(map);
  const colours = getComputedStyle(document.documentElement);
  const number = (value) => value.toLocaleString("en-GB");
  for (const area of areas) {
    const fillColor = colours.getPropertyValue(`--d${area.decile}`).trim();
    const link = `<a href="${place.dataset.area}${encodeURIComponent(area.code)}">${text(area.name ?? area.code)}</a>`;
    L.circleMarker([area.latitude, area.longitude], { radius: 9, color: "#111", weight: 1, fillColor, fillOpacity: 0.9 })
      .bindPopup(`${link}<br>decile ${area.decile}, rank ${number(area.rank)} of ${number(area.of)}`)
      .addTo(map);
  }
  if (place.dataset.latitude) {
    const here = [Number(place.dataset.latitude), Number(place.dataset.longitude)];
    L.circleMarker(here, { radius: 16, color: "#b3004b", weight: 4, fill: false })
      .addTo(map)
      .bindTooltip(text(place.dataset.label), { permanent: true, direction: "top", offset: [0, -14] });
    map.setView(here, 14);
  } else {
    map.fitBounds(areas.map((area) => [area.latitude, area.longitude]), { padding: [20, 20] });
  }
  const legend = L.control({ position: "bottomleft" });
  legend.onAdd = () => {
    const element = L.DomUtil.create("div", "legend");
    const boxes = [...Array(10)].map((_, i) => `<rect class="d${i + 1}" x="${i * 14}" width="13" height="13"/>`);
    element.innerHTML = `1 <svg width="140" height="13" aria-hidden="true">${boxes.join("")}</svg> 10`;
    return element;
  };
  legend.addTo(map);
};

/** Draws the map of `place` (an element of templates/_figures.html), or says why there is none. */
export const show = (place) => {
  const [ask, box, status] = [".map-ask", ".map", ".map-told"].map((name) => place.querySelector(name));
  ask.hidden = true;
  status.textContent = "The map is on its way.";
  return draw(place, box, status).catch((error) => {
    status.textContent = `There is no map: ${error.message}.`;
    ask.hidden = false;
    box.hidden = true;
  });
};
