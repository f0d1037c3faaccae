// Keeps the counters of the visible ports moving, and adds copy buttons. The pages are complete without it.
"use strict";

const EVERY_MS = 2000;
const AT_MOST = 40;
const group = new Intl.NumberFormat("en-US");

function show(element, name, value) {
  element.textContent = group.format(value);
  element.classList.toggle("bad", name === "quarantined" && value > 0);
  element.classList.toggle("busy", name === "lag" && value > 0);
}

async function refresh(port) {
  const answer = await fetch(`/api/v1/ports/${encodeURIComponent(port.dataset.port)}/stats`);
  if (!answer.ok) return null;
  const stats = await answer.json();
  for (const element of port.querySelectorAll("[data-count]")) {
    show(element, element.dataset.count, stats[element.dataset.count]);
  }
  return stats;
}

async function round() {
  const ports = [...document.querySelectorAll("[data-port]")].slice(0, AT_MOST);
  if (document.visibilityState === "visible" && ports.length > 0) {
    const all = await Promise.all(ports.map((port) => refresh(port).catch(() => null)));
    if (all.every((stats) => stats !== null)) {
      for (const sum of document.querySelectorAll("[data-sum]")) {
        sum.textContent = group.format(all.reduce((total, stats) => total + stats[sum.dataset.sum], 0));
      }
    }
  }
  setTimeout(round, EVERY_MS);
}

function addCopyButtons() {
  if (!navigator.clipboard) return;
  for (const pre of document.querySelectorAll("pre")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(pre.querySelector("code").textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
    const frame = document.createElement("div");
    frame.className = "frame";
    pre.replaceWith(frame);
    frame.append(pre, button);
  }
}

addCopyButtons();
if (document.querySelectorAll("[data-port]").length <= AT_MOST) setTimeout(round, EVERY_MS);
