// Slack views: modals on a stack, and the App Home. A form keeps what was entered while the
// bot updates the view under it, checks what Slack checks itself, and shows the bot's errors.
//
//   view_open → [root]   view_push → [root, second]   view_update in place   view_close away

import { blocks } from "./blocks.js";
import { append, fill, h, icon } from "./dom.js";
import { label, text } from "./mrkdwn.js";
import { showDialog, toast, warning } from "./popover.js";
import { post } from "./store.js";

const stack = []; // {view, values, dialog, errors}
let shell = null;

const plain = (object, other) => object?.text ?? other;

/** Where the elements of a view send and keep their answers. */
function place(view, values, errors) {
  const keepIn = (blockId, answer, spec) => {
    (values[blockId] ??= {})[answer.action_id] = answer;
    if (spec && errors) clearError(blockId, errors);
  };
  return {
    keepIn, keptIn: (blockId, actionId) => values[blockId]?.[actionId], form: true, errors,
    send: async (blockId, action, node) => {
      node?.classList.add("busy");
      const answer = await post("action", {
        container: "view", view_id: view.id, block_id: action.block_id ?? blockId,
        action: { ...action, block_id: action.block_id ?? blockId }, state: { values },
      });
      setTimeout(() => node?.classList.remove("busy"), 250);
      if (answer.ok === false) toast(answer.error ?? "The click did not reach the app.", "warn");
    },
  };
}

function clearError(blockId, errors) {
  if (!errors[blockId]) return;
  delete errors[blockId];
  const field = shell?.querySelector(`[data-block-id="${CSS.escape(blockId)}"]`);
  field?.classList.remove("invalid");
  field?.querySelector(".field-error")?.remove();
}

// ---------------------------------------------------------------- modals

export function openView(view) {
  stack.length = 0;
  stack.push(layer(view));
  draw();
}

export function pushView(view) {
  stack.push(layer(view));
  draw();
}

export function updateView(view) {
  const found = stack.find((one) => one.view.id === view.id);
  if (!found) return;
  found.view = view;
  found.errors = {};
  found.busy = false;
  found.note = "";
  draw();
}

export function closeView(viewId) {
  const at = stack.findIndex((one) => one.view.id === viewId);
  if (at < 0) return;
  stack.splice(at);
  draw();
}

/** The modals the server still holds open, after a reload or a change of person. */
export function restoreViews(views) {
  stack.splice(0, stack.length, ...(views ?? []).map(layer));
  draw();
}

/** A submission the app did not acknowledge. */
export function warnView(said) {
  const top = stack.at(-1);
  if (top) Object.assign(top, { note: said, busy: false });
  draw();
}

const layer = (view) => ({ view, values: {}, errors: {}, note: "", busy: false });

function draw() {
  const top = stack.at(-1);
  if (!top) {
    shell?.close();
    shell = null;
    return;
  }
  if (!shell) {
    shell = h("dialog.modal", { "data-testid": "modal", "aria-labelledby": "modal-title" });
    shell.addEventListener("cancel", (event) => { event.preventDefault(); dismiss(); });
    const opened = shell;
    showDialog(opened).then(() => { if (shell === opened) { shell = null; stack.length = 0; } });
  }
  const focused = shell.contains(document.activeElement) ? document.activeElement.dataset.actionId : null;
  const scroll = shell.querySelector(".modal-body")?.scrollTop ?? 0;
  fill(shell, form(top));
  shell.querySelector(".modal-body").scrollTop = scroll;
  const first = shell.querySelector(".invalid :is(input, textarea, select)") ?? shell.querySelector(`[data-action-id="${CSS.escape(focused ?? "")}"]`)
    ?? shell.querySelector("[autofocus]") ?? shell.querySelector(".modal-body :is(input, textarea, select, button)");
  first?.focus();
}

/** Close the top modal the way a person does. */
function dismiss() {
  const top = stack.at(-1);
  if (!top) return;
  closeView(top.view.id);
  post("view_close", { view_id: top.view.id });
}

function form(top) {
  const { view } = top;
  const node = h("form.modal-form", { novalidate: true, "data-testid": "modal-form", onsubmit: (event) => { event.preventDefault(); submit(top); } });
  return append(node,
    h("header.modal-head", null,
      stack.length > 1 && h("button.icon-btn", { type: "button", "aria-label": "Back", onclick: dismiss }, icon("back")),
      h("h2", { id: "modal-title" }, label(view.title)),
      h("button.icon-btn", { type: "button", "aria-label": "Close", onclick: dismiss, "data-testid": "modal-close" }, icon("close"))),
    h("div.modal-body", null, top.note && warning(top.note, "modal-warning"), blocks(view.blocks, place(view, top.values, top.errors))),
    h("footer.dialog-buttons", null,
      h("button.btn", { type: "button", onclick: dismiss, "data-testid": "modal-cancel" }, plain(view.close, "Cancel")),
      view.submit && h("button.btn.primary", { type: "submit", "data-testid": "modal-submit", class: top.busy ? "busy" : "", disabled: top.busy }, plain(view.submit))));
}

async function submit(top) {
  if (top.busy) return;
  top.errors = checkForm(top.view, top.values);
  top.note = "";
  if (Object.keys(top.errors).length) return draw();
  top.busy = true;
  draw();
  const answer = await post("view_submit", { view_id: top.view.id, state: { values: answers(top) } });
  top.busy = false;
  if (answer.response_action === "errors") top.errors = { ...answer.errors };
  else if (answer.ok === false) {
    const late = answer.error === "timeout" ? "We had some trouble connecting: the app did not answer within 3 seconds. Try again." : answer.error;
    top.note = answer.text ?? late ?? "The form did not reach the app. Try again.";
  }
  if (stack.includes(top)) draw();
}

/** state.values of every input, empty ones as null like Slack sends them. */
function answers({ view, values }) {
  const all = {};
  for (const block of view.blocks) {
    const specs = block.type === "input" ? [block.element] : [...(block.elements ?? []), block.accessory].filter((e) => values[block.block_id]?.[e?.action_id]);
    for (const spec of specs) (all[block.block_id] ??= {})[spec.action_id] = shorn(values[block.block_id]?.[spec.action_id] ?? empty(spec));
  }
  return all;
}

const shorn = ({ action_id: _, ...answer }) => answer;
const EMPTY = {
  static_select: ["selected_option", null], radio_buttons: ["selected_option", null], multi_static_select: ["selected_options", []],
  checkboxes: ["selected_options", []], users_select: ["selected_user", null], multi_users_select: ["selected_users", []],
  conversations_select: ["selected_conversation", null], channels_select: ["selected_channel", null], datepicker: ["selected_date", null],
  multi_conversations_select: ["selected_conversations", []], multi_channels_select: ["selected_channels", []],
  timepicker: ["selected_time", null], datetimepicker: ["selected_date_time", null],
};

function empty(spec) {
  const [name, value] = EMPTY[spec.type] ?? ["value", null];
  return { type: spec.type, [name]: value };
}

/** What Slack itself refuses before the app is asked. */
function checkForm(view, values) {
  const errors = {};
  for (const block of view.blocks.filter((b) => b.type === "input")) {
    const spec = block.element;
    const answer = values[block.block_id]?.[spec.action_id] ?? empty(spec);
    const value = Object.entries(answer).find(([name]) => name === "value" || name.startsWith("selected_"))?.[1];
    const missing = value === null || value === undefined || value === "" || (Array.isArray(value) && !value.length);
    const wrong = missing ? (block.optional ? "" : "Please complete this required field.") : refusal(spec, value);
    if (wrong) errors[block.block_id] = wrong;
  }
  return errors;
}

function refusal(spec, value) {
  if (spec.min_length && value.length < spec.min_length) return `Write at least ${spec.min_length} characters.`;
  if (spec.max_length && value.length > spec.max_length) return `Write at most ${spec.max_length} characters.`;
  if (spec.type === "email_text_input" && !/^[^@\s]+@[^@\s]+\.[^@\s]+$/.test(value)) return `“${value}” is not an e-mail address; write name@example.com.`;
  if (spec.type === "url_text_input" && !/^https?:\/\/\S+$/i.test(value)) return `“${value}” is not a link; begin with https://.`;
  if (spec.type !== "number_input") return "";
  const number = Number(value);
  if (Number.isNaN(number)) return `“${value}” is not a number.`;
  if (!spec.is_decimal_allowed && !Number.isInteger(number)) return "Write a whole number.";
  if (spec.min_value !== undefined && number < Number(spec.min_value)) return `Write ${spec.min_value} or more.`;
  if (spec.max_value !== undefined && number > Number(spec.max_value)) return `Write ${spec.max_value} or less.`;
  return "";
}

// ---------------------------------------------------------------- App Home

const homeValues = {};

/** The bot's Home tab. */
export function drawHome(root, view) {
  if (!view) {
    fill(root, h("div.empty", null, icon("home"), h("h3", null, "Nothing here yet"), h("p", null, "The app fills its Home when it is connected and this tab is opened.")));
    return;
  }
  fill(root, h("div.home-inner", { "data-testid": "home-view" }, view.title && h("h2", null, text(view.title)), blocks(view.blocks, place(view, homeValues, null))));
}
