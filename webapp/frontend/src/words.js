/* The sentences that scripts show. The server gives them in the reader's language in #bd-words; what is
 * missing there stays English. `say` puts values into %(name)s places, as the server does. */
const ENGLISH = {
  saved: "Saved %(seconds)s s ago", saved_minutes: "Saved %(minutes)s min ago", saving: "Saving…",
  not_saved: "Not saved: no connection", confirm: "Continue", cancel: "Cancel", close: "Close",
  help: "Keyboard", go_to: "Go to…", keys_search: "Search", keys_help: "This help",
  keys_next: "Next in the list", keys_previous: "Previous in the list", keys_open: "Open", keys_claim: "Claim",
  keys_goto: "Go to a page, a task or a case", running_here: "%(count)s here now", done: "done", incident: "Incident",
  problem: "Problem", outline: "Steps as a list", zoom_in: "Zoom in", zoom_out: "Zoom out", fit: "Fit to window",
  copied: "Copied", nothing_found: "Nothing found", table: "Numbers as a table", no_diagram: "The diagram cannot be shown.",
  choose_files: "Drop files here or choose them", sound: "No problems found.",
  added: "added", changed: "changed", removed: "removed", moved: "moved",
};

let given = null;

export function words() {
  if (!given) {
    const script = document.getElementById("bd-words");
    given = { ...ENGLISH, ...(script ? JSON.parse(script.textContent) : {}) };
  }
  return given;
}

export function say(key, values = {}) {
  return (words()[key] ?? key).replace(/%\((\w+)\)s/g, (_, name) => values[name] ?? "");
}
