/* What is typed into a form is kept on the server shortly after, and the page says how long ago. */
import { postForm } from "./net.js";
import { say } from "./words.js";

const WAIT = 1500;

function stateOf(form) {
  return form.querySelector("[data-draft-state]") ?? document.querySelector("[data-draft-state]");
}

function tell(form) {
  const place = stateOf(form);
  if (!place || !form.bdSavedAt) return;
  const seconds = Math.round((Date.now() - form.bdSavedAt) / 1000);
  place.textContent = seconds < 60 ? say("saved", { seconds }) : say("saved_minutes", { minutes: Math.floor(seconds / 60) });
}

async function save(form, options) {
  clearTimeout(form.bdTimer);
  form.bdTimer = null;
  const place = stateOf(form);
  if (place) place.textContent = say("saving");
  try {
    const answer = await postForm(form, form.dataset.draftUrl, options);
    if (!answer.ok) throw new Error(String(answer.status));
    const { draft } = await answer.json();
    if (draft && form.elements.draft_id) form.elements.draft_id.value = draft;
    form.bdSavedAt = Date.now();
    tell(form);
  } catch {
    if (place) place.textContent = say("not_saved");
  }
}

export function drafts(root) {
  for (const form of root.querySelectorAll("form[data-draft-url]:not([data-draft-on])")) {
    form.dataset.draftOn = "1";
    const later = () => { clearTimeout(form.bdTimer); form.bdTimer = setTimeout(() => save(form), WAIT); };
    form.addEventListener("input", later);
    form.addEventListener("change", later);
    form.addEventListener("submit", () => { clearTimeout(form.bdTimer); form.bdTimer = null; });
    document.addEventListener("visibilitychange", () => {
      if (document.hidden && form.bdTimer) save(form, { keepalive: true });
    });
    setInterval(() => tell(form), 5000);
  }
}
