// Block Kit as DOM: one function per block type in DRAW; anything else becomes a grey box
// that names the type, so a block this page cannot draw is seen and never lost.

import { h, icon } from "./dom.js";
import { element } from "./elements.js";
import { markdown } from "./markdown.js";
import { label, link, text } from "./mrkdwn.js";
import { lightbox } from "./popover.js";
import { richText } from "./richtext.js";

const unknown = (type) =>
  h("div.unknown", { "data-testid": "unknown-block" }, icon("info"), `This page does not draw “${type}”.`);

/** All blocks of a message or view. `place` says where actions go (see elements.js). */
export function blocks(list, place) {
  return (list ?? []).map((block, index) => {
    const inside = bound(place, block.block_id ?? `block-${index}`);
    const draw = DRAW[block.type];
    const node = draw ? draw(block, inside) : unknown(block.type);
    node.dataset.blockId = inside.blockId;
    return node;
  });
}

/** The same place, speaking for one block. */
const bound = (place, blockId) => ({
  ...place, blockId,
  send: (action, node) => place.send(blockId, action, node),
  keep: place.keepIn && ((answer, spec) => place.keepIn(blockId, answer, spec)),
  kept: place.keptIn && ((actionId) => place.keptIn(blockId, actionId)),
});

const drawn = (spec, place) => element(spec, place) ?? unknown(spec.type);

const DRAW = {
  section: (block, place) => h("div.block.section", { class: block.accessory ? "with-accessory" : "" },
    h("div.section-body", null,
      block.text && h("div.section-text", null, text(block.text)),
      block.fields && h("div.fields", null, block.fields.map((f) => h("div.field", null, text(f))))),
    block.accessory && h("div.accessory", { class: `of-${block.accessory.type}` }, accessory(block.accessory, place))),
  header: (block) => h("div.block.header", { role: "heading", "aria-level": 3 }, label(block.text)),
  divider: () => h("hr.block.divider"),
  context: (block) => h("div.block.context", null, block.elements.map((part) =>
    part.type === "image" ? picture(part, "context-image") : h("span", null, text(part)))),
  actions: (block, place) => h("div.block.actions", null, block.elements.map((spec) => drawn(spec, place))),
  context_actions: (block, place) => h("div.block.actions.context-actions", null, block.elements.map((spec) => drawn(spec, place))),
  image: (block) => h("figure.block.image", null,
    block.title && h("figcaption", null, label(block.title)), picture(block, "image-block", block.title)),
  markdown: (block) => h("div.block", null, markdown(block.text)),
  rich_text: (block) => h("div.block", null, richText(block)),
  table: (block) => table(block),
  task_card: (block) => h("div.block", null, taskCard(block)),
  plan: (block) => plan(block.title, block.tasks ?? []),
  alert: (block) => h("div.block.alert", { class: block.level ?? "default", role: "note" },
    icon({ warning: "warn", error: "warn", success: "check" }[block.level] ?? "info"), h("div", null, text(block.text))),
  card: (block, place) => card(block, place),
  carousel: (block, place) => h("div.block.carousel", { tabindex: 0, role: "group", "aria-label": "Cards" },
    block.elements.map((one) => card(one, place))),
  container: (block, place) => container(block, place),
  file: (block) => h("div.block.file", null, icon("file"), h("span", null, block.external_id)),
  video: (block) => h("div.block.file", null, icon("file"), link(block.title_url ?? block.video_url, label(block.title))),
  input: (block, place) => input(block, place),
};

let fieldNumber = 0;

function input(block, place) {
  const id = `field-${(fieldNumber += 1)}`;
  const wrong = place.errors?.[block.block_id];
  const field = drawn(block.element, { ...place, dispatches: Boolean(block.dispatch_action), label: block.label?.text });
  const control = field.matches("input, textarea, select, [role]") ? field : field.querySelector("input, textarea, select") ?? field;
  control.id = id;
  control.setAttribute("aria-required", String(!block.optional));
  if (wrong) control.setAttribute("aria-invalid", "true");
  control.setAttribute("aria-describedby", `${id}-hint ${id}-error`);
  return h("div.block.input", { class: wrong ? "invalid" : "", "data-testid": `field-${block.block_id}` },
    h("label.input-label", { for: id }, label(block.label), block.optional && h("span.optional", null, " (optional)")),
    field,
    wrong && h("div.field-error", { id: `${id}-error`, role: "alert", "data-testid": `error-${block.block_id}` }, icon("warn"), h("span", null, wrong)),
    block.hint && h("div.field-hint", { id: `${id}-hint` }, label(block.hint)));
}

function accessory(spec, place) {
  return spec.type === "image" ? picture(spec, "accessory-image") : drawn(spec, place);
}

/** Address of an image_url or slack_file image, or null when a browser should not load it. */
function address(spec) {
  const url = rawAddress(spec);
  const local = url?.match(/^https?:\/\/(?:127\.0\.0\.1|localhost)(?::\d+)?(\/files\/.*)$/i);
  return local ? local[1] : url;
}

function rawAddress(spec) {
  const file = spec.slack_file;
  const url = spec.image_url ?? file?.url ?? file?.url_private ?? (file?.id ? `/files/${encodeURIComponent(file.id)}/image` : "");
  return /^(https?:\/\/|\/files\/)/i.test(url) ? url : null;
}

export function picture(spec, className, title) {
  const src = address(spec);
  const alt = spec.alt_text ?? "";
  if (!src) return h("span.unknown", null, alt || "image without an address");
  const img = h("img", { src, alt, loading: "lazy", class: className });
  if (className !== "image-block") return img;
  img.addEventListener("error", () => img.closest("button")?.replaceWith(h("div.unknown", null, icon("warn"), `The image cannot be loaded: ${alt}`)), { once: true });
  const shown = typeof title === "string" ? title : title?.text;
  return h("button.image-open", { type: "button", "aria-label": `Enlarge: ${alt}`, "data-testid": "image", onclick: () => lightbox(src, alt, shown) }, img);
}

function table(block) {
  const sides = block.column_settings ?? [];
  const cell = (spec, i, tag) => h(tag, { class: `align-${sides[i]?.align ?? (spec?.type === "raw_number" ? "right" : "left")} ${sides[i]?.is_wrapped ? "wrap" : ""}` },
    !spec ? "" : spec.type === "rich_text" ? richText(spec) : String(spec.text ?? spec.value ?? ""));
  const [head, ...rest] = block.rows;
  const row = (cells, tag) => h("tr", null, cells.map((spec, i) => cell(spec, i, tag)));
  return h("div.block.table-scroll", { tabindex: 0, role: "region", "aria-label": "Table" },
    h("table", null, h("thead", null, row(head, "th")), h("tbody", null, rest.map((cells) => row(cells, "td")))));
}

const MARK = { complete: "check", error: "cross", pending: "clock" };

/** One task: what is done, how far it is, and what came of it. */
export function taskCard(task) {
  const status = task.status ?? "pending";
  const body = [task.details && h("div.task-details", null, richText(task.details)),
    task.output && h("div.task-output", null, richText(task.output)),
    task.sources?.length && h("div.task-sources", null, task.sources.map((s) => link(s.url, s.text || s.url)))].filter(Boolean);
  return h("div.task", { class: status, "data-testid": `task-${task.task_id ?? task.id}`, "data-status": status },
    h("span.task-mark", { role: "img", "aria-label": status.replace("_", " ") }, MARK[status] ? icon(MARK[status]) : h("span.spinner")),
    h("div.task-body", null, h("div.task-title", null, label({ type: "plain_text", text: task.title ?? "" })), body));
}

/** A titled list of tasks with its progress. */
export function plan(title, tasks) {
  const done = tasks.filter((t) => t.status === "complete").length;
  const failed = tasks.some((t) => t.status === "error");
  const progress = tasks.length ? `${done} of ${tasks.length}` : "";
  return h("details.block.plan", { open: true, class: failed ? "failed" : done === tasks.length ? "done" : "", "data-testid": "plan" },
    h("summary", null, icon("chevron"), h("span.plan-title", null, title || "Steps"), h("span.plan-count", null, progress)),
    h("div.plan-tasks", null, tasks.map(taskCard)));
}

function card(block, place) {
  return h("article.block.card", null,
    block.hero_image && picture(block.hero_image, "card-hero"),
    (block.icon || block.title || block.subtitle) && h("div.card-head", null,
      block.icon && picture(block.icon, "card-icon"),
      h("div", null, block.title && h("div.card-title", null, label(block.title)),
        block.subtitle && h("div.card-subtitle", null, label(block.subtitle)))),
    block.body && h("div.card-body", null, text(block.body)),
    block.actions && h("div.actions", null, block.actions.map((spec) => drawn(spec, place))));
}

function container(block, place) {
  const again = { ...place, send: (blockId, action, node) => place.send({ ...action, block_id: blockId }, node) };
  const title = [block.icon && picture(block.icon, "card-icon"), h("div", null,
    h("div.card-title", null, block.rich_text_title ? richText(block.rich_text_title) : label(block.title)),
    block.subtitle && h("div.card-subtitle", null, label(block.subtitle)))];
  const inner = h("div.container-body", null, blocks(block.child_blocks, again));
  if (!block.is_collapsible) return h("section.block.container", null, h("div.card-head", null, title), inner);
  return h("details.block.container", { open: !block.default_collapsed }, h("summary.card-head", null, icon("chevron"), title), inner);
}
