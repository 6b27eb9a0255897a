// Where people write: grows with the text, completes @people, #channels and /commands.
//
//   Enter sends · Shift+Enter breaks the line · Esc closes the list of completions

import { fill, h, icon } from "./dom.js";
import { avatar } from "./people.js";
import { toast, warning } from "./popover.js";
import { currentChannel, key, post, state } from "./store.js";

const MOST_OFFERED = 8;

/** A composer writing to `where()` = {channel, thread_ts?}; `name` is its test id. */
export function composer(name, where) {
  const box = h("textarea", { rows: 1, "data-testid": `${name}-input`, "aria-autocomplete": "list", "aria-controls": `${name}-offers`, spellcheck: "true" });
  const offers = h("div.offers", { id: `${name}-offers`, role: "listbox", hidden: true, "data-testid": `${name}-offers` });
  const note = h("div.composer-note", { role: "alert", "data-testid": `${name}-note` });
  const send = h("button.send", { type: "button", "aria-label": "Send", title: "Send (Enter)", "data-testid": `${name}-send`, disabled: true }, icon("send"));
  const start = (mark) => h("button.icon-btn", { type: "button", title: mark === "@" ? "Mention somebody" : "Run a command", "aria-label": mark === "@" ? "Mention somebody" : "Run a command" }, icon(mark === "@" ? "at" : "slash"));
  const [mention, slash] = [start("@"), start("/")];
  const root = h("div.composer", { "data-testid": name }, offers,
    h("div.composer-box", null, box, h("div.composer-bar", null, mention, slash, h("span.keys", { "aria-hidden": "true" }, h("kbd", null, "Enter"), " to send"), send)), note);
  const self = { root, box, offered: [], chosen: 0, span: null };

  const slot = () => key(where().channel, where().thread_ts);
  const grow = () => { box.style.setProperty("height", "auto"); box.style.setProperty("height", `${Math.min(box.scrollHeight, 220)}px`); send.disabled = !box.value.trim(); };
  const close = () => { self.offered = []; offers.hidden = true; fill(offers); box.removeAttribute("aria-activedescendant"); };
  const pick = (index) => {
    const { from, to } = self.span;
    box.setRangeText(`${self.offered[index].insert} `, from, to, "end");
    close();
    grow();
    box.focus();
  };
  const show = () => {
    offers.hidden = !self.offered.length;
    fill(offers, self.offered.map((one, i) => h("div.offer", {
      role: "option", id: `${name}-offer-${i}`, "aria-selected": String(i === self.chosen), "data-testid": "offer",
      onpointerdown: (event) => { event.preventDefault(); pick(i); },
    }, one.face, h("span.offer-name", null, one.label), h("span.muted", null, one.hint))));
    if (self.offered.length) box.setAttribute("aria-activedescendant", `${name}-offer-${self.chosen}`);
  };
  const complete = () => {
    const found = completions(box, where());
    Object.assign(self, { offered: found.list, span: found.span, chosen: 0 });
    show();
  };
  const submit = async () => {
    const text = box.value.trim();
    if (!text) return;
    const target = { ...where() };
    box.value = "";
    state.drafts.delete(slot());
    fill(note);
    grow();
    const answer = await post("post", { ...target, text });
    if (answer.ok === false) {
      if (!box.value) box.value = text;
      grow();
      fill(note, warning(answer.error ?? "The message was not sent; try again.", "composer-error"));
    } else self.onsent?.(answer);
  };
  box.addEventListener("input", () => { state.drafts.set(slot(), box.value); grow(); complete(); });
  box.addEventListener("blur", close);
  box.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (self.offered.length && ["ArrowDown", "ArrowUp"].includes(event.key)) {
      self.chosen = (self.chosen + (event.key === "ArrowDown" ? 1 : -1) + self.offered.length) % self.offered.length;
      show();
    } else if (self.offered.length && (event.key === "Tab" || (event.key === "Enter" && !self.span.exact))) pick(self.chosen);
    else if (self.offered.length && event.key === "Escape") { close(); event.stopPropagation(); }
    else if (event.key === "Enter" && !event.shiftKey) submit();
    else return;
    event.preventDefault();
  });
  const begin = (mark) => {
    if (mark === "/") box.value = "/";
    else box.setRangeText(box.value && !/\s$/.test(box.value) ? ` ${mark}` : mark, box.selectionStart, box.selectionEnd, "end");
    box.focus();
    box.dispatchEvent(new Event("input"));
  };
  mention.addEventListener("click", () => begin("@"));
  slash.addEventListener("click", () => begin("/"));
  send.addEventListener("click", submit);

  /** Take the draft and labels of the place the composer now writes to. */
  self.arrive = () => {
    const { thread_ts: thread } = where();
    const channel = currentChannel();
    const named = channel?.kind === "im" ? state.bot.name : `#${channel?.name ?? ""}`;
    box.placeholder = thread ? "Reply…" : `Message ${named}`;
    box.setAttribute("aria-label", thread ? "Reply in the thread" : `Message ${named}`);
    slash.hidden = Boolean(thread);
    box.value = state.drafts.get(slot()) ?? "";
    fill(note);
    close();
    grow();
  };
  self.warn = (text) => fill(note, warning(text));
  self.say = async (text) => { const answer = await post("post", { ...where(), text }); if (answer.ok === false) toast(answer.error, "warn"); };
  return self;
}

/** What could complete the word before the cursor. */
function completions(box, { thread_ts: thread }) {
  const before = box.value.slice(0, box.selectionStart);
  const word = before.match(/(?:^|\s)([@#])([\p{L}\p{N}._-]*)$/u);
  const command = !thread && before.match(/^\/(\S*)$/);
  if (!word && !command) return { list: [], span: null };
  const typed = (word ? word[2] : command[1]).toLowerCase();
  const source = command ? commands() : word[1] === "@" ? people() : channels();
  const list = source.filter((one) => one.search.some((s) => s.toLowerCase().startsWith(typed))).slice(0, MOST_OFFERED);
  const span = { from: box.selectionStart - typed.length - 1, to: box.selectionStart };
  span.exact = list.some((one) => one.insert.toLowerCase() === `${word ? word[1] : "/"}${typed}`);
  return { list, span };
}

function people() {
  const bot = { insert: `@${botHandle()}`, label: state.bot.name, hint: `@${botHandle()} · app`, search: [botHandle(), state.bot.name], face: avatar(state.bot.user_id, "small") };
  const humans = state.people.map((p) => ({
    insert: `@${p.name}`, label: p.real_name || p.name, hint: p.title, search: [p.name, ...(p.real_name ?? "").split(" ")], face: avatar(p.id, "small"),
  }));
  return [bot, ...humans, { insert: "@here", label: "here", hint: "everyone who is online", search: ["here"], face: icon("at") }];
}

const botHandle = () => state.bot.handle ?? (/\s/.test(state.bot.name) ? state.bot.name.split(/\s/)[0].toLowerCase() : state.bot.name);

const channels = () => state.channels.filter((c) => c.kind === "channel").map((c) => ({
  insert: `#${c.name}`, label: c.name, hint: c.topic, search: [c.name], face: icon("hash"),
}));

const commands = () => state.commands.map((c) => ({
  insert: c.command, label: `${c.command} ${c.usage_hint ?? ""}`, hint: c.description, search: [c.command.replace(/^\//, "")], face: icon("slash"),
}));
