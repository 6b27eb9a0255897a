// Interactive elements of Block Kit, in messages and in forms.
//
//   element JSON ──element()──▶ DOM ──send(value)──▶ Slack action object
//
// `place.send(action, node)` tells the app; in a form `place.keep(value)` remembers what was chosen.

import { fill, h, icon } from "./dom.js";
import { label } from "./mrkdwn.js";
import { confirmed, menu } from "./popover.js";
import { state } from "./store.js";

const plain = (object) => (typeof object === "string" ? object : object?.text ?? "");
const people = () => [
  ...state.people.map((p) => ({ value: p.id, text: p.real_name || p.name })),
  { value: state.bot.user_id, text: state.bot.name },
];
const channels = () => state.channels.filter((c) => c.kind === "channel").map((c) => ({ value: c.id, text: `#${c.name}` }));
const conversations = () => state.channels.map((c) => ({ value: c.id, text: c.kind === "im" ? c.name : `#${c.name}` }));

// Where the choices of a select come from, and the key of its answer in the action object.
const SELECTS = {
  static_select: ["selected_option", null], users_select: ["selected_user", people],
  conversations_select: ["selected_conversation", conversations], channels_select: ["selected_channel", channels],
};
const MULTI = {
  multi_static_select: ["selected_options", null], multi_users_select: ["selected_users", people],
  multi_conversations_select: ["selected_conversations", conversations], multi_channels_select: ["selected_channels", channels],
};
const INITIAL = {
  selected_option: "initial_option", selected_options: "initial_options", selected_user: "initial_user",
  selected_users: "initial_users", selected_conversation: "initial_conversation", selected_channel: "initial_channel",
  selected_conversations: "initial_conversations", selected_channels: "initial_channels",
  selected_date: "initial_date", selected_time: "initial_time", selected_date_time: "initial_date_time", value: "initial_value",
};
// Typed inputs: the HTML type, and the key of the answer.
const FIELDS = {
  plain_text_input: ["text", "value"], number_input: ["number", "value"], url_text_input: ["url", "value"],
  email_text_input: ["email", "value"], datepicker: ["date", "selected_date"], timepicker: ["time", "selected_time"],
  datetimepicker: ["datetime-local", "selected_date_time"],
};

/** The DOM of one element, or null when this page cannot draw its type. */
export function element(spec, place) {
  if (spec.type === "button" || spec.type === "workflow_button") return button(spec, place);
  if (spec.type === "overflow") return overflow(spec, place);
  if (spec.type === "feedback_buttons") return feedback(spec, place);
  if (spec.type === "icon_button") return iconButton(spec, place);
  if (spec.type in SELECTS) return select(spec, place);
  if (spec.type in MULTI) return multi(spec, place);
  if (spec.type === "checkboxes" || spec.type === "radio_buttons") return choices(spec, place);
  if (spec.type in FIELDS) return field(spec, place);
  return null;
}

const marks = (spec) => ({ "data-action-id": spec.action_id, "data-testid": `${spec.type === "button" ? "button" : "input"}-${spec.action_id}` });
const base = (spec) => ({ type: spec.type, action_id: spec.action_id });

async function act(spec, place, node, extra) {
  if (!(await confirmed(spec.confirm))) return;
  await place.send({ ...base(spec), ...extra }, node);
}

function button(spec, place) {
  const props = { ...marks(spec), class: spec.style ?? "", "aria-label": spec.accessibility_label };
  if (spec.url && /^https?:/i.test(spec.url)) {
    const go = () => place.send({ ...base(spec), text: spec.text, value: spec.value }, null);
    return h("a.btn", { ...props, href: spec.url, target: "_blank", rel: "noopener noreferrer", onclick: go }, label(spec.text));
  }
  const node = h("button.btn", { ...props, type: "button" }, label(spec.text));
  node.addEventListener("click", () => act(spec, place, node, { text: spec.text, value: spec.value, style: spec.style }));
  return node;
}

function overflow(spec, place) {
  const node = h("button.icon-btn.overflow", { ...marks(spec), type: "button", "aria-label": "More actions", "aria-haspopup": "menu" }, icon("more"));
  const items = spec.options.map((option) => ({
    label: plain(option.text), hint: plain(option.description), testid: `option-${option.value}`,
    pick: () => {
      if (option.url && /^https?:/i.test(option.url)) window.open(option.url, "_blank", "noopener");
      act(spec, place, node, { selected_option: option });
    },
  }));
  node.addEventListener("click", () => menu(node, items));
  return node;
}

function feedback(spec, place) {
  const half = (side, name) => {
    const choice = spec[side];
    const node = h("button.icon-btn", {
      type: "button", "aria-label": choice.accessibility_label ?? plain(choice.text), title: plain(choice.text),
      "data-action-id": spec.action_id, "data-testid": `button-${spec.action_id}-${choice.value}`, "aria-pressed": "false",
    }, icon(name));
    node.addEventListener("click", async () => {
      for (const other of node.parentElement.querySelectorAll("button")) other.setAttribute("aria-pressed", String(other === node));
      await act(spec, place, node, { text: choice.text, value: choice.value });
    });
    return node;
  };
  return h("span.feedback", { role: "group", "aria-label": "Feedback" }, half("positive_button", "up"), half("negative_button", "down"));
}

function iconButton(spec, place) {
  if (spec.visible_to_user_ids && !spec.visible_to_user_ids.includes(state.me)) return h("span", { hidden: true });
  const node = h("button.icon-btn", {
    ...marks(spec), type: "button", "data-testid": `button-${spec.action_id}`,
    "aria-label": spec.accessibility_label ?? plain(spec.text), title: plain(spec.text),
  }, icon(spec.icon));
  node.addEventListener("click", () => act(spec, place, node, { icon: spec.icon, text: spec.text, value: spec.value }));
  return node;
}

/** The answer an element starts with: what was kept, else its initial_… field. */
function initial(spec, place, answer) {
  const kept = place.kept?.(spec.action_id);
  const start = kept ? kept[answer] : spec[INITIAL[answer]];
  if (!kept && start !== undefined) place.keep?.({ ...base(spec), [answer]: start }, spec);
  return start;
}

/** Remember an answer and, outside forms or where asked to, tell the app. */
async function answered(spec, place, node, extra) {
  place.keep?.({ ...base(spec), ...extra }, spec);
  if (place.dispatches ?? true) await act(spec, place, node, extra);
}

function flatOptions(spec) {
  return spec.options ?? (spec.option_groups ?? []).flatMap((group) => group.options);
}

function select(spec, place) {
  const [answer, source] = SELECTS[spec.type];
  const listed = source?.() ?? null;
  const start = initial(spec, place, answer);
  const chosen = source ? start : start?.value;
  const one = (value, shown) => h("option", { value, selected: value === chosen }, shown);
  const ofSpec = (options) => options.map((o) => one(o.value, plain(o.text)));
  const groups = spec.option_groups?.map((group) => h("optgroup", { label: plain(group.label) }, ofSpec(group.options)));
  const node = h("select", { ...marks(spec), "aria-label": place.label ?? (plain(spec.placeholder) || "Choose") },
    h("option", { value: "", selected: chosen === undefined }, plain(spec.placeholder) || "Choose an option"),
    groups ?? (listed ? listed.map((o) => one(o.value, o.text)) : ofSpec(spec.options ?? [])));
  node.addEventListener("change", () => {
    const option = source ? node.value || null : flatOptions(spec).find((o) => o.value === node.value) ?? null;
    answered(spec, place, node, { [answer]: option });
  });
  return h("span.select", null, node, icon("chevron"));
}

function multi(spec, place) {
  const [answer, source] = MULTI[spec.type];
  const options = source ? source().map((o) => ({ value: o.value, text: { type: "plain_text", text: o.text } })) : flatOptions(spec);
  const start = (initial(spec, place, answer) ?? []).map((o) => (source ? o : o.value));
  const chosen = new Set(start);
  const summary = h("div.chips");
  const show = () => fill(summary, chosen.size
    ? options.filter((o) => chosen.has(o.value)).map((o) => h("span.chip", null, label(o.text)))
    : h("span.placeholder", null, plain(spec.placeholder) || "Nothing chosen"));
  const root = h("div.multi", { ...marks(spec), role: "group", "aria-label": place.label ?? plain(spec.placeholder) });
  const toggle = (value, on, box) => {
    if (on && spec.max_selected_items && chosen.size >= spec.max_selected_items) box.checked = false;
    else if (on) chosen.add(value);
    else chosen.delete(value);
    show();
    answered(spec, place, root, { [answer]: source ? [...chosen] : options.filter((o) => chosen.has(o.value)) });
  };
  const rows = options.map((option) => {
    const box = h("input", { type: "checkbox", value: option.value, checked: chosen.has(option.value) });
    box.addEventListener("change", () => toggle(option.value, box.checked, box));
    return h("label.choice", { "data-testid": `option-${option.value}` }, box, h("span", null, label(option.text)));
  });
  const limit = spec.max_selected_items ? h("div.choice-note", null, `At most ${spec.max_selected_items}`) : null;
  show();
  root.append(summary, h("div.multi-list", null, rows, limit));
  return root;
}

let groupNumber = 0;

function choices(spec, place) {
  const many = spec.type === "checkboxes";
  const answer = many ? "selected_options" : "selected_option";
  const start = initial(spec, place, answer);
  const chosen = new Set(many ? (start ?? []).map((o) => o.value) : start ? [start.value] : []);
  const name = `group-${(groupNumber += 1)}`;
  const root = h("div.choices", { ...marks(spec), role: many ? "group" : "radiogroup", "aria-label": place.label });
  const changed = () => {
    const on = [...root.querySelectorAll("input:checked")].map((box) => spec.options[Number(box.dataset.index)]);
    answered(spec, place, root, { [answer]: many ? on : on[0] ?? null });
  };
  spec.options.forEach((option, index) => {
    const box = h("input", {
      type: many ? "checkbox" : "radio", name, checked: chosen.has(option.value), "data-index": index, onchange: changed,
    });
    root.append(h("label.choice", { "data-testid": `option-${option.value}` }, box,
      h("span", null, label(option.text), option.description && h("span.choice-note", null, label(option.description)))));
  });
  return root;
}

const localMinute = (seconds) => {
  const at = new Date(seconds * 1000);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
};

function field(spec, place) {
  const [type, answer] = FIELDS[spec.type];
  const start = initial(spec, place, answer);
  const dated = answer === "selected_date_time";
  const node = h(spec.multiline ? "textarea" : "input", {
    ...marks(spec), type: spec.multiline ? null : type, rows: spec.multiline ? 5 : null,
    placeholder: plain(spec.placeholder) || null, "aria-label": place.label,
    maxlength: type === "number" ? null : spec.max_length ?? (spec.type === "plain_text_input" ? 3000 : null),
    min: spec.min_value, max: spec.max_value, step: spec.is_decimal_allowed ? "any" : null,
    inputmode: type === "number" ? "decimal" : null, autofocus: spec.focus_on_load,
  });
  node.value = start === undefined || start === null ? "" : dated ? localMinute(start) : start;
  const current = () => (dated && node.value ? Math.floor(new Date(node.value).getTime() / 1000) : node.value || null);
  const tell = () => act(spec, place, node, { [answer]: current() });
  node.addEventListener("input", () => place.keep?.({ ...base(spec), [answer]: current() }, spec));
  if (answer !== "value" && (place.dispatches ?? true)) node.addEventListener("change", tell);
  else if (place.dispatches ?? true) {
    node.addEventListener("keydown", (event) => { if (event.key === "Enter" && !spec.multiline) { event.preventDefault(); tell(); } });
  }
  return spec.max_length && answer === "value" && type !== "number" ? counted(node, spec.max_length) : node;
}

function counted(node, limit) {
  const left = h("span.counter", { "aria-hidden": "true" });
  const show = () => fill(left, `${node.value.length} / ${limit}`);
  node.addEventListener("input", show);
  show();
  return h("span.counted", null, node, left);
}
