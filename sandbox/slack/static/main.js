// The page of the local Slack: joins the parts, follows the address, hears the server.
//
//   #incidents            a channel
//   #incidents/1763.0001  a thread in it

import { byTestId, fill, h, icon } from "./dom.js";
import { composer } from "./composer.js";
import { messageList } from "./list.js";
import { dropMessage, listen, reload, takeMessage, takeReactions } from "./live.js";
import { doors } from "./message.js";
import { author } from "./people.js";
import { closeMenu, toast } from "./popover.js";
import { drawSidebar } from "./sidebar.js";
import { channelById, currentChannel, isReply, key, loadMessages, loadState, loadThread, post, setClock, state, worldNow } from "./store.js";
import { clockSeconds, fullDate } from "./time.js";
import { closeView, drawHome, openView, pushView, restoreViews, updateView, warnView } from "./view.js";

const at = byTestId;
const app = at("app");
const channelList = messageList(at("messages"), "channel", { jump: at("jump") });
const threadList = messageList(at("thread-messages"), "thread");
const channelComposer = composer("composer", () => ({ channel: state.channel }));
const threadComposer = composer("thread-composer", () => ({ channel: state.channel, thread_ts: state.thread }));
at("composer-slot").append(channelComposer.root);
at("thread-composer-slot").append(threadComposer.root);
channelComposer.onsent = () => channelList.toEnd();
threadComposer.onsent = () => threadList.toEnd();

// ---------------------------------------------------------------- drawing

const sides = { go: (id) => { app.classList.remove("drawer-open"); goTo(id); }, actAs };

function draw() {
  drawSidebar(at("sidebar"), sides);
  drawHead();
  drawChannel();
  drawThread();
}

function drawHead() {
  const room = currentChannel();
  const im = room?.kind === "im";
  fill(at("channel-title"), im ? state.bot.name : [icon("hash"), room?.name ?? ""]);
  const topic = im ? (state.bot.connected ? "App · connected" : "App · not connected: start it with `make demo` or `python -m bot run`") : room?.topic ?? "";
  fill(at("channel-topic"), topic.replaceAll("`", ""));
  at("tabs").hidden = !im;
  at("new-chat").hidden = !im;
  for (const name of ["home", "messages"]) at(`tab-${name}`).setAttribute("aria-selected", String(state.tab === name));
  at("home").hidden = !(im && state.tab === "home");
  at("conversation").hidden = im && state.tab === "home";
  document.title = `${im ? state.bot.name : `#${room?.name ?? ""}`} · ${state.team.name}`;
}

function drawChannel() {
  const list = state.messages.get(state.channel) ?? [];
  const older = !state.complete.has(state.channel) && list.length
    ? [h("button.older", { type: "button", onclick: loadOlder }, "Show earlier messages")] : [welcome()];
  channelList.draw(list, { before: older });
  drawStatus(at("status"), key(state.channel, ""));
  drawPrompts(at("prompts"), key(state.channel, ""), channelComposer);
  if (currentChannel()?.kind === "im" && state.tab === "home") drawHome(at("home"), state.home);
}

function welcome() {
  const room = currentChannel();
  const im = room?.kind === "im";
  return h("div.welcome", null, h("span.welcome-mark", { "aria-hidden": "true" }, icon(im ? "spark" : "hash")),
    h("h3", null, im ? state.bot.name : room?.name ?? ""), h("p", null, im ? "Ask about latency, errors, deployments, or what waits for approval." : room?.topic || "The beginning of this channel."));
}

function drawThread() {
  const open = Boolean(state.thread);
  at("thread").hidden = !open;
  app.classList.toggle("thread-open", open);
  if (!open) return;
  fill(at("thread-where"), currentChannel()?.kind === "im" ? state.bot.name : `#${currentChannel()?.name ?? ""}`);
  threadList.draw(state.replies);
  drawStatus(at("thread-status"), key(state.channel, state.thread));
  drawPrompts(at("thread-prompts"), key(state.channel, state.thread), threadComposer);
}

function drawStatus(node, name) {
  const said = state.statuses.get(name);
  if (node.textContent === (said ?? "")) return;
  fill(node, said && h("span.dots", { "aria-hidden": "true" }, h("i"), h("i"), h("i")), said);
}

function drawPrompts(node, name, writer) {
  fill(node, (state.prompts.get(name) ?? []).map((one) => h("button.prompt", {
    type: "button", "data-testid": "prompt", title: one.message, onclick: () => { state.prompts.delete(name); draw(); writer.say(one.message); },
  }, icon("spark"), one.title)));
}

function tick() {
  const now = worldNow();
  fill(at("clock-time"), clockSeconds(now));
  at("clock").title = `World time: ${fullDate(now)}`;
  const { speed } = state.clock;
  at("speed").hidden = speed === 1;
  fill(at("speed"), `${Number(speed.toFixed(2))}×`);
  if (speed !== 1) at("speed").title = `The sandbox runs ${speed} times as fast as the wall clock`;
}

// ---------------------------------------------------------------- going places

function addressOf(channel, thread) {
  const room = channelById(channel);
  return `#${room?.kind === "channel" ? room.name : channel}${thread ? `/${thread}` : ""}`;
}

function goTo(channel, thread = "") {
  const wanted = addressOf(channel, thread);
  if (location.hash === wanted) follow();
  else location.hash = wanted;
}

doors.openThread = (ts) => goTo(state.channel, ts);

async function follow() {
  const [name, ts = ""] = decodeURIComponent(location.hash.slice(1)).split("/");
  const room = channelById(name) ?? state.channels[0];
  if (!room) return;
  closeMenu(false);
  const moved = room.id !== state.channel;
  Object.assign(state, { channel: room.id, thread: ts, replies: moved || ts !== state.thread ? [] : state.replies });
  if (moved) state.tab = "messages";
  room.unread = 0;
  draw();
  if (moved) channelComposer.arrive();
  if (ts) threadComposer.arrive();
  const [, found] = await Promise.all([moved ? loadMessages(room.id) : true, ts ? loadThread(room.id, ts) : true]);
  if (state.channel !== room.id || state.thread !== ts) return;
  if (!found) toast("This thread does not exist any more.", "warn");
  draw();
  if (moved) channelList.toEnd();
  if (ts) { threadList.toEnd(); if (moved) channelList.focusOn(ts); threadComposer.box.focus({ preventScroll: true }); }
}

async function loadOlder() {
  const [first] = state.messages.get(state.channel) ?? [];
  if (first) await loadMessages(state.channel, first.ts);
  drawChannel();
}

async function actAs(user) {
  const { kind, name } = currentChannel() ?? {};
  await arrive(user);
  live.reconnect();
  const room = kind === "im" ? state.channels.find((c) => c.kind === "im") : channelById(name);
  goTo((room ?? state.channels[0]).id);
}

/** Load the workspace as one person sees it. */
async function arrive(user) {
  const answer = await loadState(user);
  if (answer.ok === false) { toast(answer.error, "warn"); return false; }
  localStorage.setItem("person", state.me);
  state.messages.clear();
  state.complete.clear();
  for (const map of [state.statuses, state.prompts, state.warnings]) map.clear();
  Object.assign(state, { channel: "", thread: "", replies: [], home: answer.home });
  for (const one of answer.statuses) put(state.statuses, key(one.channel, one.thread_ts), statusOf(one.text));
  restoreViews(answer.views);
  return true;
}

async function openTab(name) {
  state.tab = name;
  drawHead();
  if (name === "home") drawHome(at("home"), state.home);
  const answer = await post("app_home", { tab: name });
  if (name !== "home") return;
  if (answer.view) { state.home = answer.view; drawHome(at("home"), state.home); }
}

// ---------------------------------------------------------------- hearing the server

const statusOf = (said) => {
  if (!said) return "";
  return said.startsWith(state.bot.name) ? said : `${state.bot.name} ${said}`;
};

function put(map, name, value) {
  if (value && value.length) map.set(name, value);
  else map.delete(name);
}

const HEAR = {
  message: (event) => { if (takeMessage(event.channel, event.message)) announce(event); },
  message_changed: (event) => takeMessage(event.channel, event.message),
  ephemeral: (event) => takeMessage(event.channel, { ...event.message, ephemeral: true }),
  message_deleted: (event) => dropMessage(event.channel, event.ts),
  reaction: (event) => takeReactions(event.channel, event.ts, event.reactions),
  view_open: (event) => openView(event.view),
  view_push: (event) => pushView(event.view),
  view_update: (event) => updateView(event.view),
  view_close: (event) => closeView(event.view_id),
  home: (event) => { state.home = event.view; drawHome(at("home"), state.home); },
  status: (event) => put(state.statuses, key(event.channel, event.thread_ts), statusOf(event.text)),
  suggested_prompts: (event) => put(state.prompts, key(event.channel, event.thread_ts), event.prompts),
  bot: (event) => { state.bot.connected = event.connected; },
  unread: (event) => {
    const room = channelById(event.channel);
    const seen = event.channel === state.channel && !document.hidden;
    if (room) room.unread = seen ? 0 : event.count;
    if (seen && event.count) post("read", { channel: event.channel });
  },
  clock: (event) => { setClock(event.now, event.speed); tick(); },
  ack_failed: (event) => {
    if (event.kind === "view" || event.view_id) warnView(event.text);
    else if (event.kind === "action" && event.message_ts) state.warnings.set(`${key(event.channel, event.message_ts)}:${event.action_id ?? ""}`, event.text);
    else if (event.kind === "command") channelComposer.warn(event.text);
    else toast(event.text, "warn");
  },
};

function announce({ channel, message }) {
  const from = author(message);
  if (from.id === state.me || channel !== state.channel) return;
  fill(at("live"), `${from.name}${isReply(message) ? " replied in a thread" : ""}: ${(message.text ?? "").slice(0, 200)}`);
}

let drawing = 0;
function drawSoon() {
  if (!drawing) drawing = requestAnimationFrame(() => { drawing = 0; draw(); });
}

const live = await start();

async function start() {
  const asked = new URLSearchParams(location.search).get("user") ?? localStorage.getItem("person") ?? "";
  if (!(await arrive(asked)) && !(asked && (await arrive("")))) {
    fill(at("channel-title"), "Not connected");
    return null;
  }
  await follow();
  setInterval(tick, 1000);
  tick();
  app.classList.add("ready");
  return listen({
    on: (event) => { HEAR[event.type]?.(event); drawSoon(); },
    again: async () => { await loadState(state.me); await reload(); draw(); },
    away: (lost) => { at("offline").hidden = !lost; },
  });
}

// ---------------------------------------------------------------- keys and buttons

window.addEventListener("hashchange", follow);
at("drawer-button").addEventListener("click", () => { app.classList.toggle("drawer-open"); at("sidebar").querySelector(".room.here")?.focus(); });
at("drawer-shade").addEventListener("click", () => app.classList.remove("drawer-open"));
at("thread-close").addEventListener("click", () => goTo(state.channel));
for (const name of ["home", "messages"]) at(`tab-${name}`).addEventListener("click", () => openTab(name));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || document.querySelector("dialog[open]")) return;
  if (closeMenu()) return;
  if (app.classList.contains("drawer-open")) app.classList.remove("drawer-open");
  else if (state.thread) goTo(state.channel);
});
at("new-chat").addEventListener("click", async () => {
  const answer = await post("assistant", {});
  if (answer.ok === false) toast(answer.error, "warn");
  else goTo(answer.channel, answer.thread_ts);
});
document.addEventListener("visibilitychange", () => {
  const room = currentChannel();
  if (!document.hidden && room?.unread) { room.unread = 0; post("read", { channel: room.id }); drawSoon(); }
});
