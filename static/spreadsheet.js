// Adds figures to a CSV in the browser. The file is read and joined here; sent are the different postcodes of one column.
"use strict";

const ALWAYS = ["status", "nation", "area_code", "index_id", "rank", "of", "decile", "quintile"]; // as append.py adds
const PREFIX = "imd_";
const AT_ONCE = 500; // postcodes in a request
const TRIES = 4;
const MOST_BYTES = 100e6;

// The form of a postcode, and the characters that are white space within one: as in census/domain/postcode.py.
const SPACES = /[\t\n\v\f\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]+/gu;
const FORM = /^((?:[A-Z]{1,2}[0-9]{1,2}|[A-Z]{1,2}[0-9][A-Z]|GIR|NPT))([0-9][A-Z]{2})$/;

/** The postcode in `text` as ONS writes it, or null where it is not in the format of one. */
const normalise = (text) => {
  const packed = text.replace(SPACES, "");
  const match = /^[A-Za-z0-9]*$/.test(packed) && FORM.exec(packed.toUpperCase());
  return match ? `${match[1]} ${match[2]}` : null;
};

const form = document.querySelector("form.sheet");
const RULES = JSON.parse(form.dataset.rules); // of census/tables/postcode_column.py and census/tables/other_formats.py
const entire = (pattern) => new RegExp(`^(?:${pattern})$`, "i");
const [TITLE, VALUE] = [RULES.title, RULES.value].map((pattern) => new RegExp(pattern, "i"));
const [NO_POSTCODE, CERTAIN, EXACT, PLACE] = [RULES.noPostcode, RULES.certain, RULES.exact, RULES.place].map(entire);
const [OUTWARD, INWARD, NEARLY] = [RULES.outward, RULES.inward, RULES.nearly].map(entire);
const NO_NAMES = "The first row must be the names of the columns; it looks like a row of the table.";

/** The number of the line in which the text at a place is. */
const lineAt = (text, at, end) => text.slice(0, at).split(end === "\r" ? "\r" : "\n").length;

/** What Excel shows of a cell that it writes as a formula: SW1A 1AA for ="SW1A 1AA". */
const bare = (cell) => (cell.includes('="') && /^="([^"]*)"$/.exec(cell.trim())?.[1]) || cell;
const isPostcode = (cell) => normalise(bare(cell)) !== null;

/** The only form of a postcode that one swap of letters and digits that look alike makes of `text`, or undefined. */
const nearMiss = (text) => {
  const packed = text.replace(SPACES, "").toUpperCase();
  if (!/^[A-Z0-9]{5,7}$/.test(packed)) return undefined;
  const swaps = [...packed].flatMap((one, at) => [...(RULES.lookAlikes[one] ?? "")].map((other) => normalise(packed.slice(0, at) + other + packed.slice(at + 1))));
  const forms = swaps.filter(Boolean);
  return forms.length === 1 ? forms[0] : undefined;
};

/** The name of a column as names are compared, and with blanks for lines and dots. */
const plain = (name) => name.replace(/\p{Cf}/gu, "").replace(/\s+/g, " ").trim().toLowerCase();
const words = (name) => plain(name).replace(/[\s_.-]+/g, " ").trim();
const isTitle = (name) => TITLE.test(words(name)) && !NO_POSTCODE.test(words(name)) && !isPostcode(name);
const filled = (row) => row.filter((cell) => cell.trim()).length;

/** What a file is that is no table, and what to do with it; undefined for what may be one. */
const otherFormat = (bytes) => {
  const head = String.fromCharCode(...bytes.subarray(0, 1024));
  return RULES.formats.find(([pattern]) => new RegExp(`^(?:${pattern})`).test(head))?.[1];
};

/** How many bytes above ASCII are UTF-8's, how many are none, and the first lines of those and of what no Windows has. */
const countEncodings = (bytes) => {
  const counts = { right: 0, wrong: 0, lineWrong: 0, lineOfNone: 0 }, decoder = new TextDecoder("utf-8", { fatal: true }), end = bytes.includes(10) ? 10 : 13;
  for (let at = 0, line = 1; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (byte === end) line += 1;
    if (byte < 128) continue;
    const size = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    try {
      decoder.decode(bytes.subarray(at, at + size));
      counts.right += 1;
      at += size - 1;
    } catch {
      counts.wrong += 1;
      counts.lineWrong ||= line;
      if ([0x81, 0x8d, 0x8f, 0x90, 0x9d].includes(byte)) counts.lineOfNone ||= line;
    }
    if (counts.wrong > 1e5) break; // it is not UTF-8
  }
  return counts;
};

/** The text of a file's bytes, and what its encoding was. Throws a sentence. */
const decode = (bytes) => {
  const starts = (...mark) => mark.every((byte, i) => bytes[i] === byte);
  if (starts(0xff, 0xfe)) return ["utf-16le", new TextDecoder("utf-16le", { fatal: true }).decode(bytes)];
  if (starts(0xfe, 0xff)) return ["utf-16be", new TextDecoder("utf-16be", { fatal: true }).decode(bytes)];
  const marked = starts(0xef, 0xbb, 0xbf);
  try { return [marked ? "UTF-8 with a mark" : "UTF-8", new TextDecoder("utf-8", { fatal: true }).decode(bytes)]; }
  catch { /* another, or a wrong byte */ }
  const { right, wrong, lineWrong, lineOfNone } = countEncodings(bytes);
  if (marked || right * 10 >= wrong) throw new Error(`The file is UTF-8, but not in line ${lineWrong}: correct that line, or save it as CSV UTF-8 again.`);
  if (lineOfNone) throw new Error(`The file is neither UTF-8 nor Windows-1252 in line ${lineOfNone}: save it as CSV UTF-8.`);
  return ["Windows-1252", new TextDecoder("windows-1252").decode(bytes)];
};

/** How the first row of a text ends; what is in quotes is a cell's own. */
const lineEnd = (text) => {
  for (let at = 0, quoted = false; at < text.length; at += 1) {
    if (text[at] === '"') quoted = !quoted;
    else if (!quoted && text[at] === "\n") return "\n";
    else if (!quoted && text[at] === "\r") return text[at + 1] === "\n" ? "\r\n" : "\r";
  }
  return text.includes("\r") && !text.includes("\n") ? "\r" : "\n";
};

/** The rows of a CSV (RFC 4180) from a place on, at most `most`. Throws a sentence for quotes that do not close or that text follows, and
 * for line breaks of another kind in a cell without quotes; where it is not strict, such cells are what they are. */
const parse = (text, delimiter, end, { from: start = 0, most = Infinity, strict = true } = {}) => {
  const rows = [], wrong = (what, at) => { if (strict) throw new Error(`${what} in line ${lineAt(text, at, end)}.`); };
  let row = [], at = start;
  const stop = end === "\r" ? "\r" : "\n";
  while (at < text.length && rows.length < most) {
    let cell = "";
    if (text[at] === '"') {
      const parts = [], first = at;
      for (let from = at + 1; ;) {
        const close = text.indexOf('"', from);
        if (close < 0) { wrong("Quotes open that do not close", first); parts.push(text.slice(from)); at = text.length; break; }
        parts.push(text.slice(from, close));
        if (text[close + 1] !== '"') { at = close + 1; break; }
        parts.push('"');
        from = close + 2;
      }
      cell = parts.join("");
      if (at < text.length && !["\r", "\n", delimiter].includes(text[at])) wrong("Something follows closing quotes", at);
    }
    const from = at;
    while (at < text.length && text[at] !== delimiter && text[at] !== stop) at += 1;
    let rest = text.slice(from, at);
    if (stop === "\n" && text[at] !== delimiter && rest.endsWith("\r")) rest = rest.slice(0, -1);
    if (/[\r\n]/.test(rest)) wrong("A cell without quotes has a line break in it,", at);
    row.push(cell + rest);
    if (at >= text.length) break;
    at += 1;
    if (text[at - 1] === delimiter) { if (at === text.length) row.push(""); continue; }
    rows.push(row);
    row = [];
  }
  if (row.length && rows.length < most) rows.push(row);
  return rows;
};

/** How many postcodes each column has. */
const postcodesOf = (rows) => {
  const counts = [];
  for (const row of rows) row.forEach((cell, place) => { if (isPostcode(cell)) counts[place] = (counts[place] ?? 0) + 1; });
  return Array.from(counts, (count) => count ?? 0);
};

/** The delimiter of a CSV by its first rows, as `delimiter_of` in census/tables/postcode_column.py tells it. */
const delimiterOf = (text, end) => {
  const score = (delimiter) => {
    const rows = parse(text, delimiter, end, { most: RULES.lookedAt, strict: false }), upper = rows.slice(0, RULES.mostAbove + 1);
    const named = upper.find((row) => row.some((name) => plain(name) === "postcode"));
    const titled = upper.find((row) => row.length > 1 && row.some(isTitle));
    const tabs = delimiter === "\t" && rows.length > 1 && rows[0].length > 1 && rows.every((row) => row.length === rows[0].length);
    return [Boolean(named), tabs, Math.max(0, ...postcodesOf(rows)), Boolean(titled), (named ?? titled ?? rows[0] ?? []).length].map(Number);
  };
  const more = (one, other) => { const n = one.findIndex((value, i) => value !== other[i]); return n >= 0 && one[n] > other[n]; };
  const scored = [",", ";", "\t", "|"].map((delimiter) => [score(delimiter), delimiter]);
  return scored.reduce((best, one) => (more(one[0], best[0]) ? one : best))[1];
};

/** The rows that may have the names: the first, and those that have more cells than each above them. */
const mayBeHeader = (rows) => {
  const places = [];
  let most = -1;
  for (const [n, row] of rows.slice(0, RULES.mostAbove + 1).entries()) {
    if (row.some(isPostcode)) break;
    const count = filled(row);
    if (count > most || (count === most && most === 1 && row.some((cell) => CERTAIN.test(words(cell))))) places.push(n);
    most = Math.max(most, count);
  }
  return places;
};

/** Whether a row may be that of the names: no cell is empty or long, and none looks like a value. */
const hasNames = (row) => {
  const names = row.slice(0, row.findLastIndex((cell) => cell.trim()) + 1).map((name) => name.trim());
  return names.length > 0 && names.every((name) => name && name.length <= RULES.mostInAName && !VALUE.test(name));
};

const areHalves = ([outward, inward]) => OUTWARD.test((outward ?? "").trim()) && INWARD.test((inward ?? "").trim());

/** The place of the first column of outward codes with one of inward codes beside it, -1 where there is none. */
const halvesOf = (rows, width) => [...Array(Math.max(0, width - 1)).keys()].findIndex((place) => {
  const pairs = rows.map((row) => row.slice(place, place + 2)).filter((pair) => filled(pair));
  const both = pairs.filter(areHalves).length;
  return both > 0 && 2 * both >= pairs.length;
});

/** Whether a cell stands in the place of a postcode: not known, half of one, another country's. */
const standsForOne = (cell) => NO_POSTCODE.test(cell.trim()) || NEARLY.test(cell.trim()) || isPostcode(cell.replace(/[\W_]/g, ""));

/** The columns of which at least half the cells, below the first that is one, are postcodes. */
const columnsOf = (rows) => [...postcodesOf(rows).entries()].filter(([place, count]) => {
  const cells = rows.map((row) => row[place] ?? "").filter((cell) => !NO_POSTCODE.test(cell.trim()));
  return count > 0 && 2 * count >= cells.length - cells.findIndex(isPostcode);
}).map(([place]) => place);

/** Whether a row certainly has the names of the columns, as `_are_names` in census/tables/postcode_column.py tells it. */
const areNames = (rows, n) => {
  const row = rows[n], below = rows.slice(n + 1);
  if (!hasNames(row)) return false;
  if (row.some((name) => CERTAIN.test(words(name)))) return true;
  if (postcodesOf(below).some((count, place) => count > 0 && PLACE.test(words(row[place] ?? "")))) return true;
  if (filled(row) < Math.max(2, ...below.map(filled))) return false;
  return row.some((name, place) => {
    const values = below.map((cells) => (cells[place] ?? "").trim()).filter(Boolean);
    return values.length && /^\w+$/.test(name.trim()) && !standsForOne(name) && values.every((value) => VALUE.test(value) && !isPostcode(value));
  });
};

const isShortTitle = (name) => name.length <= RULES.mostInAName && isTitle(name);
const twoRows = (rows) => new Error(`The rows ${rows[0] + 1} and ${rows[1] + 1} may both be the names of the columns: delete what stands above the table.`);

/** The row of the names, from 0, and whether that is sure, as `find` in census/tables/postcode_column.py tells it. Throws a sentence where it is in doubt. */
const headerOf = (rows) => {
  const first = rows.findIndex((row) => row.some(isPostcode));
  const exact = rows.findIndex((row) => row.some((name) => EXACT.test(words(name))));
  if (exact > RULES.mostAbove && (first < 0 || exact < first)) throw new Error(`The names of the columns seem to be in row ${exact + 1}: delete the rows above it.`);
  if (exact >= 0 && (first < 0 || exact <= first)) return [exact, true];
  const titled = mayBeHeader(rows).filter((n) => rows[n].some(isShortTitle));
  if (titled.length > 1) throw twoRows(titled);
  if (titled.length) return [titled[0], true];
  const columns = columnsOf(rows);
  if (columns.length !== 1) {
    const start = rows.findIndex((row) => filled(row)), row = rows[start], halves = halvesOf(rows.slice(start + 1), row.length);
    if (row.some((cell) => isPostcode(cell) || cell.replace(/\D/g, "").length > 5) || (halves >= 0 && areHalves(row.slice(halves, halves + 2)))) throw new Error(NO_NAMES);
    return [start, areNames(rows, start)];
  }
  const [place] = columns, end = rows.findIndex((row) => isPostcode(row[place] ?? ""));
  const over = [...rows.slice(0, Math.min(end, RULES.mostAbove + 1)).keys()].filter((n) => !standsForOne(rows[n][place] ?? ""));
  const named = over.filter((n) => areNames(rows, n));
  if (named.length > 1 || (over.length > 1 && !named.length)) throw twoRows(named.length ? named : over);
  if (!named.length && !(over.length === 1 && hasNames(rows[over[0]]))) throw new Error(`${NO_NAMES} Put a line of names above it.`);
  return [named[0] ?? over[0], named.length > 0];
};

/** A file's text as a table: rows above its names, header, rows of as many cells, delimiter, line end. Throws a sentence. */
const tableOf = (text) => {
  const nul = text.indexOf("\0");
  if (nul >= 0) throw new Error(text.split("\0").length * 4 > text.length ? "The file is not a text file in an encoding that this page knows: save it as CSV UTF-8." : `The file has a NUL, which no text has, in line ${lineAt(text, nul, text.includes("\n") ? "\n" : "\r")}: it is damaged. Save it again.`);
  const excel = /^\ufeff*sep=(.)(?:\r\n|\r|\n)/i.exec(text) ?? /^\ufeff+/.exec(text), firstLine = excel?.[0] ?? "", body = text.slice(firstLine.length);
  const end = lineEnd(body), delimiter = excel?.[1] ?? delimiterOf(body, end);
  const every = parse(text, delimiter, end, { from: firstLine.length });
  if (!every.some(filled)) throw new Error("The file is empty.");
  const [n, sure] = headerOf(every.slice(0, RULES.lookedAt));
  const header = every[n], rows = every.slice(n + 1);
  rows.forEach((row, i) => {
    while (row.length < header.length) row.push("");
    while (row.length > header.length && row.at(-1) === "") row.pop();
    if (row.length > header.length) throw new Error(`Row ${n + i + 2} has ${row.length} cells, the ${n ? `row ${n + 1}` : "first row"} ${header.length}.`);
  });
  return { firstLine, above: every.slice(0, n), header, sure, rows, delimiter, end };
};

/** Rows as CSV. */
const toCsv = (rows, delimiter, end) => {
  const strange = /["\r\n]/;
  const cell = (value) => (strange.test(value) || value.includes(delimiter) ? `"${value.replaceAll('"', '""')}"` : value);
  return rows.map((row) => (row.length === 1 && row[0] === "" ? '""' : row.map(cell).join(delimiter)) + end).join("");
};

/** Asks the bulk route for `postcodes`; answers by postcode, and the sources. Throws a sentence. */
const lookUp = async (address, postcodes, index, fields, signal, advance) => {
  const answers = new Map(), sources = new Map();
  const request = `${address}?index=${encodeURIComponent(index)}&fields=${fields.join(",")}`;
  let edition = null, older = 0;
  for (let start = 0; start < postcodes.length; start += AT_ONCE) {
    const batch = postcodes.slice(start, start + AT_ONCE);
    const list = await postList(request, batch, signal);
    if (edition !== null && list.edition !== edition) throw new Error("A new edition came out while this was looked up: begin again, so that all figures are of one.");
    edition = list.edition;
    batch.forEach((postcode, n) => answers.set(postcode, list.answers[n]));
    older += list.summary.older_edition;
    for (const source of list.sources) sources.set(source.id, source);
    advance(Math.min(start + AT_ONCE, postcodes.length));
  }
  return { answers, sources: [...sources.values()], edition, older };
};

const postList = async (address, batch, signal) => {
  for (let n = 1; ; n += 1) {
    let problem;
    try {
      const answer = await fetch(address, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(batch), signal });
      if (answer.ok) {
        const body = await answer.json();
        if (body.answers?.length === batch.length) return body;
        problem = "an answer was not whole";
      } else {
        const body = await answer.json().catch(() => ({}));
        problem = body.detail ?? `it answered ${answer.status}`;
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

const part = (id) => document.getElementById(id);
let table, encoding, name, working, blob;

const fillList = (list, lines) => list.replaceChildren(...lines.map((line) => Object.assign(document.createElement("li"), { textContent: line })));
const failed = (message) => { part("problem").textContent = message; part("problem").hidden = false; };
const cleared = () => { part("problem").hidden = true; part("result").hidden = true; };

const choose = async () => {
  const [file] = part("file").files;
  cleared();
  part("asked").disabled = true;
  part("form-told").textContent = "";
  if (!file) return;
  try {
    if (file.size > MOST_BYTES) throw new Error(`${file.name} has ${Math.round(file.size / 1e6)} MB; up to ${MOST_BYTES / 1e6} MB can be read here. append.py takes any size.`);
    const bytes = new Uint8Array(await file.arrayBuffer());
    const what = otherFormat(bytes);
    if (what) throw new Error(`${file.name} ${what}`);
    if ([[0x50, 0x4b, 3, 4], [0x50, 0x4b, 5, 6], [0xd0, 0xcf, 0x11, 0xe0]].some((mark) => mark.every((byte, i) => bytes[i] === byte))) throw new Error(`${file.name} is a workbook or a ZIP archive: save its table as CSV first, or use append.py, which reads workbooks.`);
    let text;
    [encoding, text] = decode(bytes);
    table = tableOf(text);
    name = file.name;
  } catch (error) { return failed(error.message); }
  const rows = table.rows.slice(0, 200);
  const postcodes = table.header.map((title, place) => rows.filter((row) => isPostcode(row[place])).length + (plain(title) === "postcode" ? 0.6 : isTitle(title) ? 0.5 : 0));
  const most = Math.max(...postcodes), best = most > 0 ? postcodes.indexOf(most) : -1;
  const columns = table.header.map((title, place) => [title || `(column ${place + 1})`, [place]]);
  const halves = most < 1 ? halvesOf(rows, table.header.length) : -1;
  if (halves >= 0) columns.push([`${columns[halves][0]} and ${columns[halves + 1][0]}`, [halves, halves + 1]]);
  const chosenOne = halves >= 0 ? columns.length - 1 : Math.max(best, 0);
  part("column").replaceChildren(...columns.map(([title, places], n) => new Option(title, places.join(","), n === chosenOne, n === chosenOne)));
  const between = { ",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars" }[table.delimiter] ?? `“${table.delimiter}”`;
  part("form-told").textContent = `${name}: ${table.rows.length.toLocaleString("en-GB")} rows, ${table.header.length} columns, ${encoding}, ${between} between cells${table.above.length ? `; ${table.above.length} rows above the names stay as they are` : ""}.${table.sure ? "" : ` Row ${table.above.length + 1} is taken for the names of the columns: has it names?`}`;
  part("asked").disabled = false;
};

const join = async (event) => {
  event.preventDefault();
  cleared();
  const places = part("column").value.split(",").map(Number);
  const more = [...form.querySelectorAll("input[name=more]:checked")].flatMap((box) => box.value.split(","));
  const fields = [...ALWAYS, ...more], titles = fields.map((field) => PREFIX + field);
  const taken = titles.find((title) => table.header.includes(title));
  if (taken) return failed(`The file has a column ${taken} already: rename it first.`);
  const keys = table.rows.map((row) => normalise(places.map((place) => bare(row[place])).join(" ")));
  const postcodes = [...new Set(keys.filter((key) => key !== null))].sort();
  working = new AbortController();
  part("asked").querySelector("button.main").disabled = true;
  part("stop").hidden = part("at-work").hidden = false;
  Object.assign(part("progress"), { value: 0, max: postcodes.length || 1 });
  try {
    const result = await lookUp(form.dataset.postcodes, postcodes, part("index").value, fields, working.signal, (n) => { part("progress").value = n; });
    showResult(result, keys, fields, titles, places);
  } catch (error) {
    failed(working.signal.aborted ? "Stopped: nothing was made." : error.message);
  } finally {
    part("asked").querySelector("button.main").disabled = false;
    part("stop").hidden = part("at-work").hidden = true;
  }
};

const showResult = (result, keys, fields, titles, places) => {
  const none = (row) => {
    const near = nearMiss(places.map((place) => bare(row[place])).join(" "));
    return { status: "invalid", message: `This is not in a valid postcode format; it was not sent.${near ? ` ${near} would be.` : ""}` };
  };
  const counts = new Map();
  const added = keys.map((key, n) => {
    const answer = key === null ? none(table.rows[n]) : result.answers.get(key);
    counts.set(answer.status, (counts.get(answer.status) ?? 0) + 1);
    return fields.map((field) => (answer[field] ?? null) === null ? "" : String(answer[field]));
  });
  const rows = [[...table.header, ...titles], ...table.rows.map((row, n) => [...row, ...added[n]])];
  const above = table.firstLine + table.above.map((row) => (filled(row) || row.length > 1 ? toCsv([row], table.delimiter, table.end) : table.end)).join("");
  const mark = encoding === "UTF-8" ? "" : "\ufeff"; // for Excel; what is written is UTF-8
  if (blob) URL.revokeObjectURL(blob);
  blob = URL.createObjectURL(new Blob([mark, above, toCsv(rows, table.delimiter, table.end)], { type: "text/csv;charset=utf-8" }));
  const saved = `${name.replace(/\.[^.]*$/, "")}_with_deprivation.csv`;
  Object.assign(part("download"), { href: blob, download: saved, textContent: `Download ${saved}` });
  const n = (count) => count.toLocaleString("en-GB");
  fillList(part("summary"), [
    `${n(keys.length)} rows: ${[...counts].map(([status, count]) => `${n(count)} ${status.replace("_", " ")}`).join(", ")}.`,
    `${n(result.answers.size)} different postcodes were sent.`,
    ...(result.older ? [`${n(result.older)} of them have figures of an older index than their nation’s newest: see ${PREFIX}index_id.`] : []),
    ...(result.edition ? [`From ${result.edition}.`] : []),
  ]);
  const head = document.createElement("tr");
  head.append(...["postcode", ...titles].map((title) => Object.assign(document.createElement("th"), { textContent: title, scope: "col" })));
  part("preview").replaceChildren(head, ...table.rows.slice(0, 5).map((row, i) => {
    const line = document.createElement("tr");
    line.append(...[places.map((place) => row[place]).join(" "), ...added[i]].map((value) => Object.assign(document.createElement("td"), { textContent: value })));
    return line;
  }));
  fillList(part("sources"), result.sources.map((source) => [`${source.title}, ${source.publisher}, ${source.edition}. ${source.licence}. ${source.attribution}`, source.conditions].filter(Boolean).join(" ")));
  part("result").hidden = false;
  part("result").focus();
};

form.hidden = false;
part("file").addEventListener("change", choose);
part("stop").addEventListener("click", () => working.abort());
form.addEventListener("submit", join);
if (part("file").files.length) choose(); // a page that was gone back to
