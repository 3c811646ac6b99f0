/* Every page: Bootstrap's widgets, htmx, and the enhancements. Without this file all pages still work. */
import "bootstrap/js/dist/alert";
import "bootstrap/js/dist/collapse";
import "bootstrap/js/dist/dropdown";
import "bootstrap/js/dist/modal";
import "bootstrap/js/dist/offcanvas";
import "bootstrap/js/dist/tab";
import htmx from "htmx.org/dist/htmx.esm.js";
import "./app.css";
import "./pages.css";
import "./governance.css";
import "./dialogs.js";
import "./keyboard.js";
import "./menus.js";
import { drafts } from "./drafts.js";
import { fields } from "./fields.js";
import { live } from "./live.js";
import { csrf } from "./net.js";

htmx.config.includeIndicatorStyles = false;
htmx.config.allowEval = false;
htmx.config.allowScriptTags = false;
htmx.config.selfRequestsOnly = true;
window.htmx = htmx;

function enhance(root) {
  drafts(root);
  fields(root);
  live(root, (part) => { fields(part); htmx.process(part); });
}

document.addEventListener("htmx:configRequest", (event) => { event.detail.headers["X-CSRFToken"] = csrf(); });
document.addEventListener("htmx:load", (event) => enhance(event.target));
document.documentElement.classList.add("js");
enhance(document);
