// Asks the portal's public API and shows what it says. Everything goes in as text: no answer becomes markup.
"use strict";

const words = JSON.parse(document.body.dataset.words);
const language = document.documentElement.lang;
const answer = document.getElementById("answer");

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  if (text !== null) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// `good` is null where only part of it is known: neither green nor red.
function show(good, title, parts) {
  answer.replaceChildren(element("h2", title), ...parts);
  answer.className = good === null ? "" : good ? "good" : "bad";
  answer.setAttribute("role", good === false ? "alert" : "status");
  answer.hidden = false;
  answer.focus();
}

function moment(text) {
  return text === null ? "—" : new Date(text).toLocaleString(language === "kk" ? "kk-KZ" : "ru-RU", { timeZone: "Asia/Almaty" }) + " (UTC+5)";
}

function day(text) {
  return text === null ? null : text.split("-").reverse().join(".");
}

function certificate(seen) {
  return `${seen.good ? words.good : `${words.bad} (${seen.problem})`} · ${moment(seen.at)}`;
}

function rowsOf(found) {
  const rows = [[words.row_number, found.number]];
  if (found.issued !== null) {
    rows.push([words.row_service, found.issued.service[language]], [words.row_provider, found.issued.provider[language]]);
    rows.push([words.row_issued, day(found.issued.issued_on)], [words.row_valid, day(found.issued.valid_until)]);
    if (found.signers.length === 0) rows.push([words.row_organisation, found.issued.organisation]);
  }
  for (const one of found.signers) {
    rows.push([words.row_signer, one.name], [words.row_organisation, one.organisation]);
    rows.push([words.row_signed_at, `${moment(one.signed_at)}, ${one.stamped ? words.stamped : words.claimed} · ${one.level}`]);
    rows.push([words.row_then, certificate(one.then)], [words.row_now, certificate(one.now)], [words.row_serial, one.serial]);
  }
  if (found.content !== null) rows.push([words.row_text, found.content[`text_${language}`]]);
  rows.push([words.row_checked, moment(found.checked_at)]);
  return rows.filter(([, value]) => typeof value === "string" && value !== "");
}

function showFound(found) {
  const list = element("dl", null);
  for (const [name, value] of rowsOf(found)) list.append(element("dt", name), element("dd", value));
  const good = found.standing === "stands";
  show(good && !found.compared ? null : good, words.result, [element("p", found.told[language], { class: "told" }), list]);
}

function showProblem(problem) {
  const parts = [element("p", problem.title, { class: "told" }), element("p", problem.detail)];
  for (const one of problem.errors || []) parts.push(element("p", `${one.field}: ${one.message}`));
  if (problem.remedy) parts.push(element("p", `${words.to_do}: ${problem.remedy}`));
  parts.push(element("p", problem.code, { class: "code" }));
  show(false, words.problem, parts);
}

async function ask(form, path, body, type) {
  const button = form.querySelector("button");
  button.disabled = true;
  answer.hidden = false;
  answer.className = "";
  answer.replaceChildren(element("p", words.waiting));
  try {
    const headers = { "Content-Type": type, "Accept-Language": language };
    const response = await fetch(path, { method: "POST", body, headers });
    const said = await response.json();
    if (response.ok) showFound(said);
    else showProblem(said);
  } catch {
    show(false, words.failed, []);
  } finally {
    button.disabled = false;
  }
}

function on(id, send) {
  const form = document.getElementById(id);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form);
  });
}

const value = (id) => document.getElementById(id).value;
const json = "application/json";

on("by-pdf", (form) => ask(form, "/v1/verify/pdf", document.getElementById("pdf").files[0], "application/pdf"));
on("by-codes", (form) => {
  const codes = value("codes").split("\n").map((line) => line.trim()).filter(Boolean);
  ask(form, "/v1/verify/codes", JSON.stringify({ codes }), json);
});
on("by-number", (form) => {
  ask(form, "/v1/verify/number", JSON.stringify({ number: value("number"), issued_on: value("date") }), json);
});
