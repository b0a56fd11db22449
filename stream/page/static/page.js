"use strict";
// The page works without this. With it: lines are drawn, numbers move as events arrive, menus close as menus do.

const main = () => document.getElementById("main");
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// -- lines over time

let drawn = null;

const SIZES = [[1e9, "B"], [1e6, "M"], [1e3, "k"]];
function short(kind, symbol, value) {
  if (value === null || value === undefined) return "";
  if (kind === "percent") return `${Math.round(value * 1000) / 10}%`;
  const size = SIZES.find(([least]) => Math.abs(value) >= least);
  const number = size ? `${+(Math.abs(value) / size[0]).toPrecision(3)}${size[1]}` : `${+Math.abs(value).toPrecision(3)}`;
  return `${value < 0 ? "\u2212" : ""}${kind === "money" || kind === "price" ? symbol : ""}${number}`;
}

function draw() {
  const box = document.getElementById("plot");
  if (drawn) { drawn.chart.destroy(); drawn = null; }
  if (!box || !window.uPlot) return;
  const text = document.getElementById(box.dataset.source).textContent;
  const data = JSON.parse(text);
  const x = data.labels.map((_, index) => index);
  const axis = { stroke: color("--dim"), font: "11px system-ui, sans-serif", grid: { stroke: color("--grid"), width: 1 }, ticks: { show: false } };
  const points = x.length < 40;
  const series = data.series.map((each, index) => ({
    label: each.name,
    stroke: color(`--line-${index + 1}`),
    fill: index === 0 && data.series.length < 3 ? `${color("--line-1")}18` : undefined,
    dash: index === 0 ? undefined : [[], [6, 3], [2, 3], [8, 3, 2, 3]][index],
    width: 2,
    points: { show: points, size: 5, fill: color("--card") },
    value: (_, value, __, at) => (at === null || at === undefined ? "" : each.texts[at]),
  }));
  const most = Math.max(2, Math.floor(box.clientWidth / 72));
  const options = {
    width: box.clientWidth,
    height: 226,
    padding: [8, 30, 0, 0],
    cursor: { y: false, points: { size: 7 } },
    scales: { x: { time: false, range: () => (x.length > 1 ? [0, x.length - 1] : [-1, 1]) },
              y: { range: (_, least, greatest) => (least === greatest && !least ? [0, 1] : uPlot.rangeNum(Math.min(0, least), Math.max(0, greatest), 0.08, true).map((edge, at) => (at === 0 && least >= 0 ? 0 : edge))) } },
    axes: [
      { ...axis, grid: { show: false }, size: 30, space: 80, incrs: [1, 2, 3, 4, 6, 8, 12, 13, 26, 52, 104],
        splits: () => { const step = Math.max(1, Math.ceil(x.length / most)); return x.filter((at) => at % step === 0); },
        values: (_, at) => at.map((index) => data.short[index] ?? "") },
      { ...axis, size: 56, values: (_, values) => values.map((value) => short(data.kind, data.symbol, value)) },
    ],
    series: [{ label: "", value: (_, at) => (at === null || at === undefined ? "" : data.labels[at]) }, ...series],
  };
  drawn = { text, width: box.clientWidth, chart: new uPlot(options, [x, ...data.series.map((each) => each.values)], box) };
}

function redraw() {
  const box = document.getElementById("plot");
  if (!box) return draw();
  const text = document.getElementById(box.dataset.source)?.textContent;
  if (!drawn || drawn.text !== text || drawn.width !== box.clientWidth) draw();
}

// -- figures that move

let token = "";
let running = false;
let again = false;
let said = 0;
// a page that is dear to make is made seldom
const PAUSE = 2000;
const SHARE = 4;

function texts() {
  const found = new Map();
  for (const each of document.querySelectorAll("[data-k]")) found.set(each.dataset.k, each.textContent);
  return found;
}

const keep = {
  // what the reader has opened or typed stays as it is
  beforeNodeMorphed: (old) => !(old.nodeType === 1 && (old.id === "plot" || old.hasAttribute("data-still") || old.id === "dot" || old.id === "trouble")),
  beforeAttributeUpdated: (name, node) => !(name === "open" && node.tagName === "DETAILS"),
};

async function refresh() {
  if (running) { again = true; return; }
  running = true;
  const began = Date.now();
  try {
    const answer = await fetch(location.href, { headers: { "X-Sixfold-Part": "main" }, credentials: "same-origin" });
    if (answer.status === 401) { location.reload(); return; }
    if (!answer.ok) { trouble(await answer.text()); return; }
    const before = texts();
    const next = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("main");
    if (!next) return;
    Idiomorph.morph(main(), next, { morphStyle: "outerHTML", callbacks: keep });
    trouble("");
    token = main().dataset.token;
    const changed = [...document.querySelectorAll("[data-k]")].filter((each) => before.get(each.dataset.k) !== each.textContent);
    for (const each of changed) {
      each.classList.remove("moved");
      void each.offsetWidth;
      each.classList.add("moved");
    }
    enhance();
    redraw();
    if (changed.length && Date.now() - said > 30000) {
      said = Date.now();
      document.getElementById("say").textContent = `Figures were updated, ${changed.length} of them moved.`;
    }
  } catch {
    trouble("The page's server does not answer.");
  } finally {
    setTimeout(() => { running = false; if (again) { again = false; refresh(); } }, Math.max(PAUSE, SHARE * (Date.now() - began)));
  }
}

function trouble(text) {
  const line = document.getElementById("trouble");
  const dot = document.getElementById("dot");
  if (!line || !dot) return;
  line.hidden = !text;
  line.textContent = text ? `${text.replace(/\.?$/, ".")} The figures shown are those of before.` : "";
  dot.className = text ? "dot away" : "dot live";
}

let events = null;
function listen() {
  if (events || !main()?.dataset.token) return;
  events = new EventSource("/events");
  events.addEventListener("moved", (event) => {
    trouble("");
    if (JSON.parse(event.data).token !== token) refresh();
  });
  events.addEventListener("away", (event) => trouble(event.data));
  events.addEventListener("back", () => refresh());
  events.addEventListener("error", () => {
    trouble("The connection to the page's server is lost.");
    if (events && events.readyState === EventSource.CLOSED) { events = null; setTimeout(listen, 5000); }
  });
}

function visible() {
  if (document.hidden) { events?.close(); events = null; }
  else listen();
}

// -- small things

function enhance() {
  for (const button of document.querySelectorAll("[data-print]")) {
    button.hidden = false;
    button.onclick = () => window.print();
  }
}

// a long list of choices gets a field to find one by
const MANY = 12;
function searchable() {
  for (const fieldset of document.querySelectorAll(".pick fieldset")) {
    const labels = [...fieldset.querySelectorAll("label")];
    if (labels.length <= MANY) continue;
    const field = document.createElement("input");
    field.type = "search";
    field.placeholder = "Find";
    field.setAttribute("aria-label", `Find in ${fieldset.querySelector("legend").textContent}`);
    field.addEventListener("input", () => {
      const wanted = field.value.trim().toLowerCase();
      for (const label of labels) label.hidden = !label.textContent.toLowerCase().includes(wanted);
    });
    field.addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
    fieldset.before(field);
  }
}

function dark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function theme() {
  const button = document.getElementById("theme");
  if (!button) return;
  const show = () => { button.hidden = false; button.textContent = dark() ? "Light mode" : "Dark mode"; };
  button.addEventListener("click", () => {
    const next = dark() ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    document.cookie = `sixfold_theme=${next}; path=/; max-age=31536000; samesite=lax`;
    show();
    draw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { show(); draw(); });
  show();
}

document.addEventListener("click", (event) => {
  for (const open of document.querySelectorAll("details.pick[open]")) if (!open.contains(event.target)) open.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const open of document.querySelectorAll("details.pick[open]")) { open.open = false; open.querySelector("summary").focus(); }
});
document.addEventListener("visibilitychange", visible);
let resizing = 0;
addEventListener("resize", () => { clearTimeout(resizing); resizing = setTimeout(redraw, 120); });

token = main()?.dataset.token ?? "";
theme();
enhance();
searchable();
draw();
visible();
