// What floats above the page: menus, confirm dialogs, the lightbox, toasts.

import { append, byTestId, h, icon } from "./dom.js";
import { label, text } from "./mrkdwn.js";

let openMenu = null;

/** Close the open menu; focus returns to what opened it. */
export function closeMenu(refocus = true) {
  if (!openMenu) return false;
  const { node, anchor } = openMenu;
  openMenu = null;
  node.remove();
  anchor.setAttribute("aria-expanded", "false");
  if (refocus && anchor.isConnected) anchor.focus();
  return true;
}

/** A menu under `anchor`. Items: {label, hint?, icon?, danger?, checked?, testid?, pick}. */
export function menu(anchor, items, { title = "", testid = "menu", grid = false } = {}) {
  if (openMenu?.anchor === anchor) return closeMenu();
  closeMenu(false);
  const node = h("div.menu", { role: "menu", "data-testid": testid, class: grid ? "grid" : "", "aria-label": title || "Menu" },
    title && h("div.menu-title", null, title),
    items.map((entry) => menuItem(entry)));
  (anchor.closest("dialog") ?? document.body).append(node);
  place(node, anchor);
  openMenu = { node, anchor };
  anchor.setAttribute("aria-expanded", "true");
  node.addEventListener("keydown", menuKeys);
  (node.querySelector("[aria-checked=true]") ?? node.querySelector("button"))?.focus();
  return node;
}

function menuItem(entry) {
  return h("button.menu-item", {
    type: "button", role: entry.checked === undefined ? "menuitem" : "menuitemradio",
    "aria-checked": entry.checked === undefined ? null : String(entry.checked),
    "aria-label": entry.name ?? null, title: entry.name ?? null,
    class: entry.danger ? "danger" : "", "data-testid": entry.testid,
    onclick: () => { closeMenu(); entry.pick(); },
  }, entry.icon ?? null, h("span.menu-text", null, h("span.menu-label", null, entry.label), entry.hint && h("span.menu-hint", null, entry.hint)),
  entry.checked ? icon("check") : null);
}

function place(node, anchor) {
  const from = anchor.getBoundingClientRect();
  const { width, height } = node.getBoundingClientRect();
  const below = from.bottom + 6 + height <= window.innerHeight;
  const top = below ? from.bottom + 6 : Math.max(8, from.top - height - 6);
  const left = Math.min(Math.max(8, from.right - width), window.innerWidth - width - 8);
  node.style.setProperty("top", `${top}px`);
  node.style.setProperty("left", `${Math.max(8, from.left + width < window.innerWidth - 8 ? from.left : left)}px`);
}

function menuKeys(event) {
  const items = [...event.currentTarget.querySelectorAll("button")];
  const at = items.indexOf(document.activeElement);
  const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
  if (step) items[(at + step + items.length) % items.length].focus();
  else if (event.key === "Home") items[0].focus();
  else if (event.key === "End") items.at(-1).focus();
  else if (event.key === "Tab") closeMenu();
  else return;
  event.preventDefault();
}

document.addEventListener("pointerdown", (event) => {
  if (openMenu && !openMenu.node.contains(event.target) && !openMenu.anchor.contains(event.target)) closeMenu(false);
});
window.addEventListener("resize", () => closeMenu(false));

/** Show a <dialog>; the promise settles with its returnValue once it is gone. */
export function showDialog(dialog) {
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => { dialog.remove(); resolve(dialog.returnValue); });
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(""); });
  });
}

/** Ask before an action that carries a `confirm` object; true means go on. */
export async function confirmed(ask) {
  if (!ask) return true;
  const dialog = h("dialog.confirm", { "data-testid": "confirm", "aria-labelledby": "confirm-title" });
  const choose = (answer) => () => dialog.close(answer);
  append(dialog,
    h("h2", { id: "confirm-title" }, label(ask.title ?? "Are you sure?")),
    h("div.confirm-text", null, text(ask.text)),
    h("div.dialog-buttons", null,
      h("button.btn", { type: "button", onclick: choose(""), "data-testid": "confirm-deny" }, label(ask.deny ?? "Cancel")),
      h("button.btn", {
        type: "button", onclick: choose("yes"), autofocus: true, "data-testid": "confirm-yes",
        class: ask.style === "danger" ? "danger" : "primary",
      }, label(ask.confirm ?? "Yes"))));
  return (await showDialog(dialog)) === "yes";
}

/** An image over the whole page. */
export function lightbox(src, alt, title) {
  const dialog = h("dialog.lightbox", { "data-testid": "lightbox", "aria-label": alt || "Image" });
  append(dialog,
    h("div.lightbox-bar", null, h("span", null, title || alt),
      h("a.link", { href: src, target: "_blank", rel: "noopener noreferrer" }, "Open original"),
      h("button.icon-btn", { type: "button", onclick: () => dialog.close(), "aria-label": "Close" }, icon("close"))),
    h("img", { src, alt }));
  return showDialog(dialog);
}

/** A short notice at the bottom, read out at once. */
export function toast(message, kind = "info") {
  const note = h("div.toast", { role: "status", class: kind, "data-testid": "toast" }, icon(kind === "warn" ? "warn" : "info"), message);
  byTestId("toasts").append(note);
  setTimeout(() => note.remove(), 6000);
}

/** The triangle beside something whose request the app did not acknowledge. */
export const warning = (message, testid = "ack-failed") =>
  h("span.ack-failed", { role: "alert", "data-testid": testid, title: message }, icon("warn", "Warning"), h("span", null, message));
