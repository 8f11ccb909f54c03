// Adds figures to a CSV in the browser. The file is read and joined here; sent are the different postcodes of one column.
"use strict";

const ALWAYS = ["status", "nation", "area_code", "index_id", "rank", "of", "decile", "quintile"]; // as append.py adds
const PREFIX = "imd_";
const AT_ONCE = 500; // postcodes in a request
const TRIES = 4;
const MOST_BYTES = 100e6;

// The form of a postcode, and the characters that are white space within one: as in sources/postcode.py.
const SPACES = /[\t\n\v\f\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]+/gu;
const FORM = /^((?:[A-Z]{1,2}[0-9]{1,2}|[A-Z]{1,2}[0-9][A-Z]|GIR|NPT))([0-9][A-Z]{2})$/;

/** The postcode in `text` as ONS writes it, or null where it has not the form of one. */
const normalise = (text) => {
  const packed = text.replace(SPACES, "");
  const match = /^[A-Za-z0-9]*$/.test(packed) && FORM.exec(packed.toUpperCase());
  return match ? `${match[1]} ${match[2]}` : null;
};

/** The text of a file's bytes, and what its encoding was. */
const decode = (bytes) => {
  const starts = (...mark) => mark.every((byte, i) => bytes[i] === byte);
  if (starts(0xff, 0xfe)) return ["utf-16le", new TextDecoder("utf-16le", { fatal: true }).decode(bytes)];
  if (starts(0xfe, 0xff)) return ["utf-16be", new TextDecoder("utf-16be", { fatal: true }).decode(bytes)];
  if (starts(0xef, 0xbb, 0xbf)) return ["UTF-8 with a mark", new TextDecoder("utf-8", { fatal: true }).decode(bytes)];
  try { return ["UTF-8", new TextDecoder("utf-8", { fatal: true }).decode(bytes)]; }
  catch { return ["Windows-1252", new TextDecoder("windows-1252").decode(bytes)]; }
};

/** The rows of a CSV (RFC 4180); throws for quotes that do not close or that text follows. At most `most` rows. */
const parse = (text, delimiter, most = Infinity) => {
  const rows = [];
  let row = [], at = 0, line = 1;
  while (at < text.length && rows.length < most) {
    let cell;
    if (text[at] === '"') {
      const parts = [];
      const first = line;
      for (let from = at + 1; ;) {
        const end = text.indexOf('"', from);
        if (end < 0) throw new Error(`The quotes that open in line ${first} do not close.`);
        parts.push(text.slice(from, end));
        line += text.slice(from, end).split("\n").length - 1;
        if (text[end + 1] !== '"') { at = end + 1; break; }
        parts.push('"');
        from = end + 2;
      }
      if (at < text.length && !["\r", "\n", delimiter].includes(text[at])) throw new Error(`Something follows closing quotes in line ${line}.`);
      cell = parts.join("");
    } else {
      let end = at;
      while (end < text.length && text[end] !== delimiter && text[end] !== "\n" && text[end] !== "\r") end += 1;
      cell = text.slice(at, end);
      at = end;
    }
    row.push(cell);
    if (at >= text.length) { rows.push(row); return rows; }
    if (text[at] === delimiter) { at += 1; if (at === text.length) row.push(""); else continue; }
    else at += text[at] === "\r" && text[at + 1] === "\n" ? 2 : 1;
    line += 1;
    rows.push(row);
    row = [];
  }
  if (row.length) rows.push(row);
  return rows;
};

/** The delimiter of a CSV: the one by which its first rows have the most postcodes in a column, then the most cells. */
const delimiterOf = (text) => {
  const scored = [",", ";", "\t", "|"].map((delimiter) => {
    try {
      const rows = parse(text, delimiter, 50);
      const column = Math.max(0, ...rows[0].map((_, place) => rows.filter((row) => normalise(row[place] ?? "")).length));
      return [column, rows[0].length, delimiter];
    } catch { return [-1, 0, delimiter]; }
  });
  return scored.reduce((best, one) => (one[0] > best[0] || (one[0] === best[0] && one[1] > best[1]) ? one : best))[2];
};

/** A file's text as a table: header, rows of as many cells, delimiter and line end. Throws a sentence. */
const tableOf = (text) => {
  const delimiter = delimiterOf(text);
  const [header, ...rows] = parse(text, delimiter);
  if (!header || header.every((name) => name.trim() === "")) throw new Error("The file is empty.");
  if (header.some((name) => normalise(name))) throw new Error("The first row must be the names of the columns; it looks like a row of the table.");
  rows.forEach((row, n) => {
    while (row.length < header.length) row.push("");
    while (row.length > header.length && row.at(-1) === "") row.pop();
    if (row.length > header.length) throw new Error(`Row ${n + 2} has ${row.length} cells, the first row ${header.length}.`);
  });
  return { header, rows, delimiter, end: /\r\n/.test(text) ? "\r\n" : "\n" };
};

/** Rows as CSV. */
const written = (rows, delimiter, end) => {
  const strange = new RegExp(`["\\r\\n${delimiter === "|" ? "\\|" : delimiter}]`);
  const cell = (value) => (strange.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  return rows.map((row) => (row.length === 1 && row[0] === "" ? '""' : row.map(cell).join(delimiter)) + end).join("");
};

/** Asks the bulk route for `postcodes`; answers by postcode, and the sources. Throws a sentence. */
const lookUp = async (address, postcodes, index, fields, signal, advance) => {
  const found = new Map(), sources = new Map();
  const asked = `${address}?index=${encodeURIComponent(index)}&fields=${fields.join(",")}`;
  let edition = null, older = 0;
  for (let start = 0; start < postcodes.length; start += AT_ONCE) {
    const batch = postcodes.slice(start, start + AT_ONCE);
    const told = await answered(asked, batch, signal);
    if (edition !== null && told.edition !== edition) throw new Error("A new edition came out while this was looked up: begin again, so that all figures are of one.");
    edition = told.edition;
    batch.forEach((postcode, n) => found.set(postcode, told.answers[n]));
    older += told.summary.older_edition;
    for (const source of told.sources) sources.set(source.id, source);
    advance(Math.min(start + AT_ONCE, postcodes.length));
  }
  return { found, sources: [...sources.values()], edition, older };
};

const answered = async (address, batch, signal) => {
  for (let n = 1; ; n += 1) {
    let problem;
    try {
      const answer = await fetch(address, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(batch), signal });
      if (answer.ok) {
        const told = await answer.json();
        if (told.answers?.length === batch.length) return told;
        problem = "an answer was not whole";
      } else {
        const told = await answer.json().catch(() => ({}));
        problem = told.detail ?? `it answered ${answer.status}`;
        if (answer.status < 500 && answer.status !== 429) throw new Error(`The server refused the list: ${problem}`);
      }
    } catch (error) {
      if (signal.aborted || String(error.message).startsWith("The server refused")) throw error;
      problem = problem ?? "it could not be reached";
    }
    if (n === TRIES) throw new Error(`The server did not answer (${problem}), after ${TRIES} tries. Nothing is lost: try again.`);
    await new Promise((resolve) => setTimeout(resolve, 500 * n * n));
  }
};

const form = document.querySelector("form.sheet");
const part = (id) => document.getElementById(id);
let table, encoding, name, working, blob;

const listed = (list, lines) => list.replaceChildren(...lines.map((line) => Object.assign(document.createElement("li"), { textContent: line })));
const failed = (message) => { part("problem").textContent = message; part("problem").hidden = false; };
const cleared = () => { part("problem").hidden = true; part("result").hidden = true; };

const chosen = async () => {
  const [file] = part("file").files;
  cleared();
  part("asked").disabled = true;
  part("form-told").textContent = "";
  if (!file) return;
  try {
    if (file.size > MOST_BYTES) throw new Error(`${file.name} has ${Math.round(file.size / 1e6)} MB; up to ${MOST_BYTES / 1e6} MB can be read here. append.py takes any size.`);
    const bytes = new Uint8Array(await file.arrayBuffer());
    if (bytes[0] === 0x50 && bytes[1] === 0x4b || bytes[0] === 0xd0 && bytes[1] === 0xcf) throw new Error(`${file.name} is a workbook: save it as CSV first, or use append.py, which reads workbooks.`);
    let text;
    [encoding, text] = decode(bytes);
    if (text.includes("\0")) throw new Error(`${file.name} is not a text file in an encoding that this page knows: save it as CSV UTF-8.`);
    table = tableOf(text);
    name = file.name;
  } catch (error) { return failed(error.message); }
  const rows = table.rows.slice(0, 200);
  const postcodes = table.header.map((title, place) => rows.filter((row) => normalise(row[place])).length + (/post ?code|pcd/i.test(title.replaceAll("_", " ")) ? 0.5 : 0));
  const best = postcodes.indexOf(Math.max(...postcodes));
  part("column").replaceChildren(...table.header.map((title, place) => new Option(title || `(column ${place + 1})`, place, place === best, place === best)));
  const between = { ",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars" }[table.delimiter];
  part("form-told").textContent = `${name}: ${table.rows.length.toLocaleString("en-GB")} rows, ${table.header.length} columns, ${encoding}, ${between} between cells.`;
  part("asked").disabled = false;
};

const joined = async (event) => {
  event.preventDefault();
  cleared();
  const place = Number(part("column").value);
  const more = [...form.querySelectorAll("input[name=more]:checked")].flatMap((box) => box.value.split(","));
  const fields = [...ALWAYS, ...more], titles = fields.map((field) => PREFIX + field);
  const taken = titles.find((title) => table.header.includes(title));
  if (taken) return failed(`The file has a column ${taken} already: rename it first.`);
  const keys = table.rows.map((row) => normalise(row[place]));
  const postcodes = [...new Set(keys.filter((key) => key !== null))].sort();
  working = new AbortController();
  part("asked").querySelector("button.main").disabled = true;
  part("stop").hidden = part("at-work").hidden = false;
  Object.assign(part("progress"), { value: 0, max: postcodes.length || 1 });
  try {
    const told = await lookUp(form.dataset.postcodes, postcodes, part("index").value, fields, working.signal, (n) => { part("progress").value = n; });
    shown(told, keys, fields, titles, place);
  } catch (error) {
    failed(working.signal.aborted ? "Stopped: nothing was made." : error.message);
  } finally {
    part("asked").querySelector("button.main").disabled = false;
    part("stop").hidden = part("at-work").hidden = true;
  }
};

const shown = (told, keys, fields, titles, place) => {
  const none = { status: "invalid", message: "This has not the form of a postcode; it was not sent." };
  const counts = new Map();
  const added = keys.map((key) => {
    const answer = key === null ? none : told.found.get(key);
    counts.set(answer.status, (counts.get(answer.status) ?? 0) + 1);
    return fields.map((field) => (answer[field] ?? null) === null ? "" : String(answer[field]));
  });
  const rows = [[...table.header, ...titles], ...table.rows.map((row, n) => [...row, ...added[n]])];
  const mark = encoding === "UTF-8" ? "" : "\ufeff"; // for Excel; what is written is UTF-8
  if (blob) URL.revokeObjectURL(blob);
  blob = URL.createObjectURL(new Blob([mark, written(rows, table.delimiter, table.end)], { type: "text/csv;charset=utf-8" }));
  const saved = `${name.replace(/\.[^.]*$/, "")}_with_deprivation.csv`;
  Object.assign(part("download"), { href: blob, download: saved, textContent: `Download ${saved}` });
  const n = (count) => count.toLocaleString("en-GB");
  listed(part("summary"), [
    `${n(keys.length)} rows: ${[...counts].map(([status, count]) => `${n(count)} ${status.replace("_", " ")}`).join(", ")}.`,
    `${n(told.found.size)} different postcodes were sent.`,
    ...(told.older ? [`${n(told.older)} of them have figures of an older index than their nation’s newest: see ${PREFIX}index_id.`] : []),
    ...(told.edition ? [`From ${told.edition}.`] : []),
  ]);
  const head = document.createElement("tr");
  head.append(...["postcode", ...titles].map((title) => Object.assign(document.createElement("th"), { textContent: title, scope: "col" })));
  part("preview").replaceChildren(head, ...table.rows.slice(0, 5).map((row, i) => {
    const line = document.createElement("tr");
    line.append(...[row[place], ...added[i]].map((value) => Object.assign(document.createElement("td"), { textContent: value })));
    return line;
  }));
  listed(part("sources"), told.sources.map((source) => [`${source.title}, ${source.publisher}, ${source.edition}. ${source.licence}. ${source.attribution}`, source.conditions].filter(Boolean).join(" ")));
  part("result").hidden = false;
  part("result").focus();
};

form.hidden = false;
part("file").addEventListener("change", chosen);
part("stop").addEventListener("click", () => working.abort());
form.addEventListener("submit", joined);
if (part("file").files.length) chosen(); // a page that was gone back to
