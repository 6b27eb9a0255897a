// The left side: workspace, channels with unread counts, the bot's direct message, who one acts as.

import { fill, h, icon } from "./dom.js";
import { avatar } from "./people.js";
import { menu } from "./popover.js";
import { nameOf, state } from "./store.js";

/** Draw the sidebar into `root`; `go(channelId)` and `actAs(userId)` are what its buttons do. */
export function drawSidebar(root, { go, actAs }) {
  const rooms = state.channels.filter((c) => c.kind === "channel");
  const directs = state.channels.filter((c) => c.kind === "im");
  fill(root,
    h("div.workspace", null, h("span.workspace-mark", { "aria-hidden": "true" }, (state.team.name || "?")[0].toUpperCase()),
      h("div", null, h("div.workspace-name", null, state.team.name), h("div.workspace-note", null, "Local Slack · sandbox"))),
    h("nav.rooms", { "aria-label": "Conversations" },
      h("h2", null, "Channels"), h("ul", null, rooms.map((room) => entry(room, icon("hash"), room.name, go))),
      h("h2", null, "Direct messages"), h("ul", null, directs.map((room) => entry(room, face(), state.bot.name, go)))),
    person(actAs));
}

function face() {
  return h("span.presence-face", null, avatar(state.bot.user_id, "small"),
    h("span.presence", { class: state.bot.connected ? "on" : "", "data-testid": "presence", title: state.bot.connected ? "connected" : "not connected",
      role: "img", "aria-label": state.bot.connected ? "connected" : "not connected" }));
}

function entry(room, mark, name, go) {
  const here = room.id === state.channel;
  return h("li", null, h("button.room", {
    type: "button", class: `${here ? "here" : ""} ${room.unread ? "unread" : ""}`, "aria-current": here ? "page" : null,
    "data-testid": `channel-${room.name || room.id}`, "data-channel": room.id, onclick: () => go(room.id),
  }, mark, h("span.room-name", null, name), room.kind === "im" && h("span.badge", null, "BOT"),
  room.unread ? h("span.unread-count", { "aria-label": `${room.unread} unread` }, room.unread > 99 ? "99+" : room.unread) : null));
}

function person(actAs) {
  const me = state.people.find((p) => p.id === state.me);
  const button = h("button.person", { type: "button", "aria-haspopup": "menu", "aria-expanded": "false", "data-testid": "person-switcher" },
    avatar(state.me), h("span.person-text", null, h("span.person-name", null, h("small", null, "Acting as "), nameOf(state.me)), h("span.person-can", null, me?.can ?? "")), icon("chevron"));
  button.addEventListener("click", () => menu(button, state.people.map((p) => ({
    label: h("span.person-name", null, p.real_name || p.name, p.title && h("small", null, ` · ${p.title}`)), hint: p.can, icon: avatar(p.id),
    checked: p.id === state.me, testid: `act-as-${p.id}`, pick: () => actAs(p.id),
  })), { title: "Act as", testid: "person-menu" }));
  return button;
}
