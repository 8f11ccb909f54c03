// A map above a table's rows comes when the reader asks for it: its background would come from elsewhere.
// datasette-cluster-map looks for a column of this name once the page is read; without one it does nothing.
"use strict";

(() => {
  const column = window.DATASETTE_CLUSTER_MAP_LATITUDE_COLUMN;
  const rows = document.querySelector(".table-wrapper");
  const headings = [...document.querySelectorAll("table.rows-and-columns th")];
  if (!column || !rows || !headings.some((th) => (th.dataset.column ?? th.textContent).trim().toLowerCase() === column.toLowerCase())) return;
  const key = "map";
  if (sessionStorage.getItem(key) === location.href) return sessionStorage.removeItem(key); // asked for, once
  window.DATASETTE_CLUSTER_MAP_LATITUDE_COLUMN = "no map yet";
  const ask = document.createElement("p");
  const button = Object.assign(document.createElement("button"), { type: "button", className: "plain", textContent: "Show these on a map" });
  button.addEventListener("click", () => { sessionStorage.setItem(key, location.href); location.reload(); });
  ask.append(button, " Its background comes from OpenStreetMap, which then sees your address and the map’s section, not this page.");
  rows.before(ask);
})();
