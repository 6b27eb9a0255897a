// Faces: avatars of people and of the bot, and the badge that tells them apart.

import { h, icon } from "./dom.js";
import { isBot, nameOf, state } from "./store.js";

const initials = (name) => name.split(/\s+/).map((word) => word[0] ?? "").join("").slice(0, 2).toUpperCase();

/** Only a colour may come from the server into a style. */
const colour = (value) => (/^#[0-9a-f]{3,8}$/i.test(value ?? "") ? value : "#64748b");

/** The square with a person's initials, or the bot's mark. */
export function avatar(id, size = "") {
  if (isBot(id)) return h("span.avatar.bot", { class: size, "aria-hidden": "true" }, icon("spark"));
  const person = state.people.find((p) => p.id === id);
  const name = person ? nameOf(id) : id || "?";
  return h("span.avatar", { class: size, "aria-hidden": "true", style: { "--tone": colour(person?.avatar_color) } }, initials(name));
}

/** Who wrote a message: id, shown name, whether it is an app. */
export function author(message) {
  const id = message.user || message.bot_id || "";
  const bot = Boolean(message.bot_id) || isBot(id);
  const known = state.people.some((p) => p.id === id);
  return { id: bot ? state.bot.user_id : id, bot, name: known ? nameOf(id) : message.username || nameOf(id) };
}
