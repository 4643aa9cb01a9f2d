"use strict";
// The list of jobs, asked for every two seconds; progress comes as server-sent events.
const byId = (id) => document.getElementById(id);
const ended = ["done", "infeasible", "failed", "cancelled"];
let source = null;

async function ask(path, options) {
  const answer = await fetch(path, options);
  if (answer.status === 401) location.assign("/");
  const body = await answer.json();
  if (answer.ok) return body;
  throw new Error(body.detail);
}

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function took(job) {
  if (!job.started_at) return "";
  const end = job.ended_at ? Date.parse(job.ended_at + "Z") : Date.now();
  const seconds = Math.max(0, Math.round((end - Date.parse(job.started_at + "Z")) / 1000));
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

function button(text, act) {
  const made = element("button", text, { type: "button", class: "plain" });
  made.addEventListener("click", () => act().catch(show));
  return made;
}

function row(job) {
  const { model = "", models = model, ...others } = job.options;
  const made = document.createElement("tr");
  made.dataset.job = job.name;
  const options = Object.entries(others).map(([key, value]) => `${key} ${value}`).join(", ");
  const state = element("td", job.state, { class: job.state });
  if (job.message) state.append(element("small", job.message));
  const submitted = new Date(job.created_at + "Z").toLocaleString();
  const actions = document.createElement("td");
  actions.append(button("watch", async () => watch(job.name)));
  if (job.state !== "queued") {
    actions.append(element("a", "report", { href: `/v1/jobs/${job.name}/report`, target: "_blank", rel: "noopener" }));
  }
  for (const each of job.configs) {
    const text = job.configs.length > 1 ? `config of ${each}` : "config";
    actions.append(element("a", text, { href: `/v1/jobs/${job.name}/config?model=${encodeURIComponent(each)}` }));
  }
  if (!ended.includes(job.state)) {
    actions.append(button("cancel", () => ask(`/v1/jobs/${job.name}/cancel`, { method: "POST" }).then(refresh)));
  }
  made.append(
    element("td", job.name), element("td", `${job.repository}/${models}`), element("td", options), state,
    element("td", submitted), element("td", took(job)), actions,
  );
  return made;
}

async function refresh() {
  const { jobs } = await ask("/v1/jobs?limit=200");
  byId("jobs").tBodies[0].replaceChildren(...jobs.map(row));
  byId("jobs").hidden = !jobs.length;
  byId("empty").hidden = jobs.length > 0;
}

function sentence(event) {
  const { event: kind, label, outcome, message, rate_per_s: rate, text, load, verdict } = event;
  const parts = [kind, label, outcome, message, text, load, verdict];
  if (rate) parts.push(`${Math.round(rate).toLocaleString()} inferences/s`);
  return parts.filter(Boolean).join(" · ");
}

function watch(name) {
  if (source) source.close();
  byId("watched").hidden = false;
  byId("watched-name").textContent = name;
  byId("progress").replaceChildren();
  source = new EventSource(`/v1/jobs/${name}/events`);
  const add = (text) => {
    byId("progress").append(element("li", text));
    byId("progress").lastElementChild.scrollIntoView({ block: "nearest" });
  };
  source.addEventListener("state", ({ data }) => {
    const { state, message } = JSON.parse(data);
    add(message ? `${state}: ${message}` : state);
    if (ended.includes(state)) source.close();
  });
  source.addEventListener("progress", ({ data }) => {
    try { add(sentence(JSON.parse(data))); } catch { add(data); }
  });
}

function show(error) {
  byId("problem").textContent = error.message;
}

function wanted() {
  const options = {};
  for (const id of ["p99", "time-budget"]) if (byId(id).value.trim()) options[id] = byId(id).value.trim();
  for (const line of byId("options").value.split("\n").filter((each) => each.trim())) {
    const at = line.indexOf(":");
    if (at < 1) throw new Error(`"${line}": write name: value`);
    options[line.slice(0, at).trim()] = line.slice(at + 1).trim();
  }
  if (!("models" in options)) options.model = byId("model").value;
  return { repository: byId("repository").value, options };
}

async function submit() {
  const headers = { "Content-Type": "application/json" };
  const job = await ask("/v1/jobs", { method: "POST", headers, body: JSON.stringify(wanted()) });
  byId("problem").textContent = "";
  await refresh();
  watch(job.name);
}

async function start() {
  const { repositories } = await ask("/v1/repositories");
  const fill = (id, names) => byId(id).replaceChildren(...names.map((name) => element("option", name)));
  const choose = () => {
    const chosen = repositories.find((each) => each.name === byId("repository").value);
    fill("model", chosen ? chosen.models : []);
  };
  fill("repository", repositories.map((each) => each.name));
  byId("repository").addEventListener("change", choose);
  byId("submit").addEventListener("submit", (event) => {
    event.preventDefault();
    submit().catch(show);
  });
  choose();
  await refresh();
  setInterval(() => refresh().catch(show), 2000);
}

start().catch(show);
