// Single keys for the list of cases. Everything here can be done without them, and they can be switched off
// (WCAG 2.1.4): the choice stays in this browser.
"use strict";

(() => {
  const NAME = "heed-keys";
  const open = document.getElementById("keys-open");
  const dialog = document.getElementById("keys");
  const tick = document.getElementById("keys-on");
  const rows = [...document.querySelectorAll(".cases > .case")];
  const link = (row) => row.querySelector("h2 a");

  const isOn = () => {
    try {
      return localStorage.getItem(NAME) !== "off";
    } catch {
      return tick.checked; // a browser that keeps nothing: as ticked on this page
    }
  };
  const keep = () => {
    try {
      localStorage.setItem(NAME, tick.checked ? "on" : "off");
    } catch {
      // as above
    }
  };
  const here = () => rows.findIndex((row) => row.contains(document.activeElement));
  const go = (index) => {
    const row = rows[Math.min(Math.max(index, 0), rows.length - 1)];
    if (row) {
      link(row).focus();
      row.scrollIntoView({ block: "nearest" });
    }
  };
  const press = (selector) => rows[here()]?.querySelector(selector)?.click();
  const KEYS = {
    j: () => go(here() + 1),
    k: () => go(here() - 1),
    s: () => press('button[value="shortlisted"]'),
    m: () => press('button[value="seen"]'),
    a: () => press(".noted a"),
    "?": () => dialog.showModal(),
  };

  tick.checked = isOn();
  tick.addEventListener("change", keep);
  open.hidden = false;
  open.addEventListener("click", () => dialog.showModal());
  document.addEventListener("keydown", (event) => {
    const busy = event.target.closest("input, select, textarea, dialog");
    const act = KEYS[event.key];
    if (!act || busy || event.ctrlKey || event.altKey || event.metaKey || !isOn()) return;
    event.preventDefault();
    act();
  });

  // Back from a mark: where the reader was.
  const back = location.hash.startsWith("#c-") ? document.getElementById(location.hash.slice(1)) : null;
  // After the browser went to the row by itself: that takes the focus away. Whoever went on meanwhile is left alone.
  const nowhere = () => document.activeElement === document.body;
  if (back) addEventListener("load", () => setTimeout(() => nowhere() && link(back).focus()));
})();
